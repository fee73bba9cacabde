// Commands around a load, in an installation: those that root has named run as the users that root wrote beside them.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readConnection, readRunFile } from '../../src/config/connection.ts';
import { layoutOf } from '../../src/config/layout.ts';
import { type Client, createClient } from '../../src/rpc/client.ts';
import type { RestoreTargetInput, Task } from '../../src/rpc/schemas.ts';

const node = process.execPath;
const source = (name: string) => new URL(`../../src/${name}.ts`, import.meta.url).pathname;
const home = mkdtempSync(join(tmpdir(), 'provider-around-'));
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
const diary = join(home, 'diary');
const write = (word: string) => `echo ${word} "$(id -un)" >> ${diary}`;
let provider: ChildProcess;
let agent: ChildProcess;
let client: Client;
let backup: string;

beforeAll(async () => {
  chmodSync(home, 0o755);
  writeFileSync(
    env.AGENT_ALLOW,
    JSON.stringify({
      commands: {
        down: { shell: write('down'), user: 'daemon' },
        load: { shell: `cat && ${write('load')}`, user: 'mail' },
        up: { argv: ['/bin/sh', '-c', write('up')], user: 'daemon' },
      },
    }),
  );
  provider = spawn(node, [source('rdprovider')], { env, stdio: 'inherit' });
  while (!existsSync(join(layout.run, 'provider.sock'))) await pause(50);
  agent = spawn('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', node, source('rdagent')], {
    env: { ...env, AGENT_PROVIDER: '1', NODE_COMPILE_CACHE: '' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  while (!readRunFile(layout)?.port) await pause(50);
  client = createClient(readConnection(layout));
  await client.call('poolBind', { body: { name: 'p', place: { type: 'local', path: join(layout.data, 'pool') }, create: true } });
  await client.call('vaultCreate', { body: { name: 'v' } });
  await client.call('planCreate', { body: { name: 'dump', source: { kind: 'command', shell: 'echo dump' } } });
  backup = (await ended(await client.call('backupRun', { body: { plan: 'dump' } }))).backupId ?? '';
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

beforeEach(() => {
  writeFileSync(diary, '');
  chmodSync(diary, 0o666);
});

async function ended(task: Task): Promise<Task> {
  for await (const event of client.events(task.id)) if (event.type === 'done' || event.type === 'failed') return event.task;
  throw new Error('the events ended without an end');
}

const restore = async (target: Omit<Extract<RestoreTargetInput, { kind: 'command' }>, 'kind'>, dryRun = false) =>
  ended(await client.call('backupRestore', { params: { id: backup }, body: { target: { kind: 'command', ...target }, dryRun } }));

describe('commands around a load, in an installation', () => {
  it('S10 that root has named run as the users that root wrote beside them', async () => {
    const target = { named: 'load', before: [{ named: 'down' }], after: [{ named: 'up' }] };
    expect(await restore(target, true)).toMatchObject({ state: 'done' });
    expect(readFileSync(diary, 'utf8')).toBe('');
    expect(await restore(target)).toMatchObject({ state: 'done', problem: null });
    expect(readFileSync(diary, 'utf8')).toBe('down daemon\nload mail\nup daemon\n');
  });

  it('S10 that root has not named run as the agent, and none of them beside one that it has named', async () => {
    expect(await restore({ shell: write('load'), before: [{ shell: write('down') }] })).toMatchObject({ state: 'done', problem: null });
    expect(readFileSync(diary, 'utf8')).toBe('down nobody\nload nobody\n');
    const notAllowed = { state: 'failed', problem: { code: 'NOT_ALLOWED' } };
    expect(await restore({ named: 'load', before: [{ shell: write('sly') }] }, true)).toMatchObject(notAllowed);
    expect(await restore({ shell: write('sly'), after: [{ named: 'up' }] })).toMatchObject(notAllowed);
    expect(readFileSync(diary, 'utf8')).toBe('down nobody\nload nobody\n');
  });
});
