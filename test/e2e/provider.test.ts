// rdprovider as root and rdagent as somebody else, as in an installation.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConnection, readRunFile } from '../../src/config/connection.ts';
import { layoutOf } from '../../src/config/layout.ts';
import { startThrough } from '../../src/host/start-through.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import { type Client, createClient } from '../../src/rpc/client.ts';
import type { Task } from '../../src/rpc/schemas.ts';
import { fileSystem } from '../beds/file-system.ts';
import { snapshotDisk } from '../beds/snapshot-disk.ts';

const node = process.execPath;
const source = (name: string) => new URL(`../../src/${name}.ts`, import.meta.url).pathname;
const nobody = { uid: 65534, gid: 65534 };

const home = mkdtempSync(join(tmpdir(), 'provider-'));
const layout = layoutOf({ AGENT_HOME: join(home, 'agent'), AGENT_RUN: join(home, 'run') });
const env = {
  ...process.env,
  AGENT_HOME: layout.home,
  AGENT_RUN: layout.run,
  AGENT_USER: 'nobody',
  AGENT_PORT: '0',
  AGENT_FREEZE_LOCK: join(home, 'lock'),
  AGENT_ALLOW: join(home, 'allow.yaml'),
};
const secret = join(home, 'secret');
let provider: ChildProcess;
let agent: ChildProcess;
let client: Client;

beforeAll(async () => {
  chmodSync(home, 0o755);
  mkdirSync(secret, { mode: 0o700 });
  writeFileSync(join(secret, 'file'), 'only for root\n', { mode: 0o600 });
  provider = spawn(node, [source('rdprovider')], { env, stdio: 'inherit' });
  await until(() => ask('{"verb":"hello"}\n').catch(() => undefined));
  agent = spawn('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', node, source('rdagent')], {
    env: { ...env, AGENT_PROVIDER: '1', NODE_COMPILE_CACHE: '' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await until(() => readRunFile(layout)?.port);
  client = createClient(readConnection(layout));
});

afterAll(async () => {
  client?.close();
  for (const child of [agent, provider]) {
    if (!child || child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
  rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

async function until(happens: () => unknown): Promise<void> {
  while (!(await happens())) await pause(50);
}

/** What it answers first. */
function ask(text: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const socket = connect(join(layout.run, 'provider.sock'), () => socket.write(text));
  let answer = '';
  socket.on('data', (part) => (answer += part));
  socket.on('error', reject);
  socket.on('end', () => resolve(answer === '' ? undefined : JSON.parse(answer)));
  return promise;
}

interface Line {
  readonly path: string;
}

async function lines({ backupId }: Task): Promise<Line[]> {
  const found: Line[] = [];
  for await (const line of client.lines('backupLs', { params: { id: backupId! }, query: { recursive: true } })) found.push(line as Line);
  return found;
}

async function cat({ backupId }: Task, path: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of await client.bytes('backupCat', { params: { id: backupId! }, query: { path } })) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function ended(task: Task): Promise<Task> {
  for await (const event of client.events(task.id)) if (event.type === 'done' || event.type === 'failed') return event.task;
  throw new Error('the events ended without an end');
}

describe('rdprovider', () => {
  it('A3 listens on a socket that only root and rdagent reach, in a folder of root', () => {
    const socket = statSync(join(layout.run, 'provider.sock'));
    expect([socket.mode & 0o777, socket.uid, socket.gid]).toEqual([0o660, 0, nobody.gid]);
    const run = statSync(layout.run);
    expect([run.mode & 0o777, run.uid, run.gid]).toEqual([0o750, 0, nobody.gid]);
    expect(statSync(layout.home).uid).toBe(0);
    for (const own of [layout.conf, layout.data, layout.log, layout.tmp, layout.agentRun]) expect(statSync(own).uid).toBe(nobody.uid);
  });

  it('A3 answers nothing but its orders', async () => {
    const bad = [
      'GET / HTTP/1.1\n',
      '{"verb":"run","argv":["id"]}\n',
      '{"verb":"task","rights":"all","niceness":0,"output":false}\n',
      '{"verb":"task","rights":"own","niceness":-5,"output":false}\n',
      '{"verb":"task","rights":"own","niceness":0,"output":"yes"}\n',
      '[]\n',
      `${'x'.repeat(2000)}`,
      '{"verb":"hello"}\n{"verb":"hello"}\n',
    ];
    for (const line of bad) expect(await ask(line)).toMatchObject({ ok: false });
    for (const line of ['{"channel":"orders","ticket":"0123"}\n', '{"channel":"orders"}\n'])
      expect(await ask(line)).not.toMatchObject({ ok: true });
  });

  it('A3 a process that cannot be started is told', async () => {
    const started = startThrough(join(home, 'nowhere'), { verb: 'rescue', rights: 'root', niceness: 0, output: false });
    expect(await started.ended).toContain('rdprovider does not answer');
  });

  it('A3 a second one is refused', async () => {
    const second = spawn(node, [source('rdprovider')], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    second.stderr.on('data', (part) => (text += part));
    expect(await new Promise((resolve) => second.once('exit', resolve))).not.toBe(0);
    expect(text).toContain('runs already');
    expect(await ask('{"verb":"hello"}\n')).toMatchObject({ ok: true });
  });

  it('S3 a task reads what rdagent may not, and can do nothing more', async () => {
    await client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(layout.data, 'pool') }, create: true } });
    await client.call('vaultCreate', { body: { name: 'v' } });
    await client.call('planCreate', { body: { name: 'files', source: { kind: 'files', paths: [secret] } } });
    await client.call('planCreate', {
      body: { name: 'told', source: { kind: 'command', shell: 'grep -E "^(Uid|CapEff)" /proc/self/status' } },
    });

    const made = await ended(await client.call('backupRun', { body: { plan: 'files' } }));
    expect(made).toMatchObject({ state: 'done', problem: null });
    expect(await cat(made, join(secret, 'file'))).toBe('only for root\n');

    const told = await ended(await client.call('backupRun', { body: { plan: 'told' } }));
    expect(told).toMatchObject({ state: 'done' });
    const output = (await lines(told)).find(({ path }) => path.endsWith('/told'))!;
    expect(await cat(told, output.path)).toMatch(/^Uid:\t65534\t65534\t65534\t65534\nCapEff:\t0+\n$/);
  });

  it('B8 root restores where root has allowed it, and elsewhere once root has said yes', async () => {
    const [place, elsewhere] = [join(home, 'restored'), join(home, 'elsewhere')];
    mkdirSync(place, { recursive: true, mode: 0o700 });
    writeFileSync(env.AGENT_ALLOW, `restoreRoots: [{ path: ${place} }]\n`);
    const backup = (await client.call('backupList', { query: { plan: 'files' } })).items[0]!;
    const restore = async (path: string) =>
      ended(await client.call('backupRestore', { params: { id: backup.id }, body: { target: { kind: 'files', path } } }));

    expect(await restore(place)).toMatchObject({ state: 'done', problem: null });
    const { uid, mode } = statSync(join(place, secret, 'file'));
    expect([uid, mode & 0o777]).toEqual([0, 0o600]);

    const refused = await restore(elsewhere);
    expect(refused).toMatchObject({ state: 'failed', problem: { code: 'APPROVAL_NEEDED', hint: expect.stringContaining(refused.id) } });
    expect(existsSync(elsewhere)).toBe(false);
    for (const user of [['--reuid=65534', '--regid=65534', '--clear-groups'], []]) {
      const said = spawnSync('setpriv', [...user, node, source('agentcli'), 'task', 'approve', refused.id, '--yes'], {
        env,
        encoding: 'utf8',
      });
      expect(said.stdout + said.stderr).toContain(user.length > 0 ? 'is for root only' : 'approved once');
    }
    expect(await restore(elsewhere)).toMatchObject({ state: 'done', problem: null });
    expect(readFileSync(join(elsewhere, secret, 'file'), 'utf8')).toBe('only for root\n');
    expect(await restore(elsewhere)).toMatchObject({ state: 'failed', problem: { code: 'APPROVAL_NEEDED' } });
    // What root wrote into the vault can still be read by rdagent.
    expect(await ended(await client.call('vaultCheck', { params: { id: 'v' }, body: {} }))).toMatchObject({ state: 'done' });
  });

  it('S10 a command that root has named runs as the user that root wrote beside it', async () => {
    writeFileSync(env.AGENT_ALLOW, 'commands: { who: { argv: [/usr/bin/id, -un], user: daemon } }\n');
    for (const named of ['who', 'other']) {
      await client.call('planCreate', { body: { name: named, source: { kind: 'command', named } } });
      const made = await ended(await client.call('backupRun', { body: { plan: named } }));
      if (named === 'other') expect(made).toMatchObject({ state: 'failed', problem: { code: 'NOT_ALLOWED' } });
      else expect(await cat(made, (await lines(made)).find(({ path }) => path.endsWith('/who'))!.path)).toBe('daemon\n');
    }
  });

  it('S3 a task that may only read has its image taken, and removed', async () => {
    const disk = await snapshotDisk('btrfs');
    try {
      writeFileSync(join(disk.path, 'file'), 'in the image\n', { mode: 0o600 });
      await client.call('planCreate', { body: { name: 'imaged', source: { kind: 'files', paths: [disk.path] } } });
      const made = await ended(await client.call('backupRun', { body: { plan: 'imaged' } }));
      expect(made).toMatchObject({ state: 'done', problem: null });
      expect(await client.call('backupShow', { params: { id: made.backupId! } })).toMatchObject({ consistency: 'crash' });
      expect(await cat(made, join(disk.path, 'file'))).toBe('in the image\n');
      await expect.poll(() => readdirSync(join(disk.path, imageDirectory))).toEqual([]);
    } finally {
      await disk.remove();
    }
  });

  it('A3 what it starts for reading has the one capability for it', async () => {
    const started = startThrough(layout.run, { verb: 'task', rights: 'read', niceness: 7, output: false });
    await expect.poll(() => started.pid).toBeGreaterThan(0);
    const status = () => readFileSync(`/proc/${started.pid}/status`, 'utf8');
    await expect.poll(() => /^Uid:\t(\d+)/m.exec(status())?.[1]).toBe('65534');
    for (const set of ['Prm', 'Eff', 'Bnd', 'Amb']) expect(status()).toMatch(new RegExp(`^Cap${set}:\\t0{15}4$`, 'm'));
    expect(status()).toMatch(/^NoNewPrivs:\t1$/m);
    started.kill('SIGKILL', 'group');
    expect(await started.ended).toBe('signal SIGKILL');
  });

  it('A3 an agent that may not freeze has a file system frozen, and its death thaws it', async () => {
    const disk = await fileSystem('ext4');
    try {
      const { id } = await client.call('freezeStart', { body: { applications: false, fileSystems: [disk.path], limitSeconds: 60 } });
      await expect.poll(async () => (await client.call('freezeShow', { params: { id } })).state).toBe('frozen');
      expect(await disk.isFrozen()).toBe(true);
      client.close();
      agent.kill('SIGKILL');
      await expect.poll(() => disk.isFrozen(), { timeout: 5000, interval: 50 }).toBe(false);
    } finally {
      await disk.remove();
    }
  });
});
