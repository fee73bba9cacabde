// A whole server, through agent and command line: on this very host, whose disk is refused while it is in use, and with loop devices that
// stand for its disks. Needs root.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noise } from '../beds/disk-image.ts';
import { type RunningAgent, startAgent } from './agent-bench.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

let top: string;
let agent: RunningAgent;
/** The disk that carries the root, as util-linux sees it. */
let systemDisk: string;
const loops: string[] = [];

beforeAll(async () => {
  const device = execFileSync('findmnt', ['-no', 'SOURCE', '/'], { encoding: 'utf8' }).trim();
  const below = execFileSync('lsblk', ['-nslpo', 'NAME,TYPE', device], { encoding: 'utf8' });
  systemDisk = /^(\S+)\s+disk$/m.exec(below)![1]!;
  top = mkdtempSync(join(tmpdir(), 'server-'));
  mkdirSync(join(top, 'agent'));
  agent = await startAgent(join(top, 'agent'), { AGENT_TASK_SCRIPT: path('test/beds/rdtask-server.ts') });
  await agent.client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(top, 'pool') }, create: true } });
  await agent.client.call('vaultCreate', { body: { name: 'main', capacityGb: 100_000 } });
});
afterAll(async () => {
  await agent.stop();
  for (const loop of loops) execFileSync('losetup', ['-d', loop]);
  rmSync(top, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function agentcli(...words: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], AGENT_HOME: agent.home, AGENT_RUN: agent.layout.run, TZ: 'UTC' };
    const child = spawn(path('scripts/agentcli'), words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const text = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text.out += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (text.err += part));
    child.on('close', (code) => resolve({ code, ...text }));
  });
}

async function done(...words: readonly string[]): Promise<string> {
  const { code, out, err } = await agentcli(...words);
  expect({ code, err }).toMatchObject({ code: expect.toBeOneOf([0, 3]) });
  return out;
}

const json = async (...words: readonly string[]) => JSON.parse(await done(...words, '--json'));

async function refused(...words: readonly string[]) {
  const { err } = await agentcli(...words, '--json');
  return JSON.parse(err) as { readonly code: string; readonly detail: string; readonly hint: string; readonly exit: number };
}

function attach(name: string): string {
  const image = join(top, name);
  writeFileSync(image, Buffer.concat([noise(name, 2 << 20), Buffer.alloc(2 << 20), noise(`${name} end`, 1 << 20)]));
  const device = execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim();
  loops.push(device);
  return device;
}

/** From now on these are the disks of the host, for tasks. */
function hostHas(...devices: readonly string[]): void {
  const disks = devices.map((device, i) => ({ path: device, names: [], size: 5 << 20, system: i === 0, uses: [] }));
  writeFileSync(join(agent.home, 'disks-of-host.json'), JSON.stringify({ disks, others: [] }));
}

describe('a server', () => {
  it('S2 finds the disks of this host by itself and names the one that it runs from', async () => {
    expect(await done('plan', 'create', 'host', '--source', 'server')).toContain('all disks of this host');
    const shown = await done('plan', 'show', 'host');
    const line = shown.split('\n').find((text) => text.includes(systemDisk));
    expect(line).toMatch(/system disk {2}in use: .*\//);
    const { source, disks } = await json('plan', 'show', 'host');
    expect(source).toEqual({ kind: 'server', disks: 'all', exclude: [] });
    const own = disks.find((disk: { path: string }) => disk.path === systemDisk);
    expect(own).toMatchObject({ system: true, excluded: false, uses: expect.arrayContaining([{ point: '/', writable: true }]) });
    const physical = execFileSync('lsblk', ['-dnpo', 'NAME,TYPE'], { encoding: 'utf8' }).matchAll(/^(\S+)\s+disk$/gm);
    const names = [...physical].map(([, name]) => name).filter((name) => !/zram|ram|nbd|fd\d/.test(name!));
    expect(disks.map((disk: { path: string }) => disk.path).sort()).toEqual(names.sort());
  });

  it('S2 A2 refuses the disk that the host runs from while there is no snapshot of it', async () => {
    const run = await agentcli('backup', 'run', 'host', '--wait');
    expect(run.code).toBe(5);
    expect(run.err).toContain(`${systemDisk} is written to (mounted on /`);
    expect(run.err).toContain('--allow-inconsistent');
    const { items } = await json('task', 'list', '--type', 'backup');
    expect(items[0]).toMatchObject({ state: 'failed', problem: { code: 'SOURCE_LIVE_DISK' } });
  });

  it('S2 refuses a plan that means no disk, and options of another source', async () => {
    const none = await refused('plan', 'create', 'none', '--source', 'server', '--disks', 'system', '--exclude-disk', systemDisk);
    expect(none).toMatchObject({ code: 'SOURCE_MISSING', exit: 4, detail: expect.stringContaining('system disk') });
    expect(none.hint).toContain('agentcli plan update');
    for (const words of [
      ['--source', 'server', '--path', '/dev/sda'],
      ['--source', 'disk', '--path', '/dev/sda', '--disks', 'all'],
      ['--source', 'files', '--path', '/etc', '--exclude-disk', 'x'],
    ])
      expect(await refused('plan', 'create', 'none', ...words)).toMatchObject({ code: 'USAGE_ARGUMENT', exit: 2 });
    expect(await refused('plan', 'create', 'none', '--source', 'server', '--disks', 'some')).toMatchObject({
      code: 'USAGE_VALUE',
      exit: 2,
    });
    expect((await json('plan', 'list')).items.map(({ name }: { name: string }) => name)).toEqual(['host']);
  });

  it('S2 changes what a plan leaves out, and keeps what is not named', async () => {
    await done('plan', 'create', 'most', '--source', 'server', '--disks', 'system', '--allow-inconsistent');
    const changed = await json('plan', 'update', 'most', '--disks', 'all');
    expect(changed.source).toEqual({ kind: 'server', disks: 'all', exclude: [] });
    await refused('plan', 'update', 'most', '--disks', 'system', '--exclude-disk', systemDisk);
    expect((await json('plan', 'update', 'most', '--exclude-disk', 'WD-0815')).source).toEqual({
      kind: 'server',
      disks: 'all',
      exclude: ['WD-0815'],
    });
    expect(await done('plan', 'show', 'most')).toMatch(/Excludes +WD-0815/);
    await done('plan', 'delete', 'most', '--yes');
  });

  it('S2 takes a disk that was added into the next backup, and restores disk by disk', async () => {
    const [a, b] = [attach('a'), attach('b')];
    hostHas(a);
    const first = await json('backup', 'run', 'host', '--wait');
    expect(first.result).toMatchObject({ record: { paths: [a], tags: { source: 'server', consistency: 'crash' } }, warnings: 0 });
    hostHas(a, b);
    const second = await json('backup', 'run', 'host', '--wait');
    expect(second).toMatchObject({ state: 'warnings', warnings: [{ item: b, detail: expect.stringContaining('not in the last backup') }] });
    expect(second.result.record.paths).toEqual([a, b]);
    expect(second.result.record.parent).toBe(first.result.record.id);

    const id = second.result.record.id;
    const [a2, b2] = [join(top, 'a2'), join(top, 'b2')];
    expect(await refused('backup', 'restore', id, '--target', a2)).toMatchObject({
      code: 'USAGE_ARGUMENT',
      detail: expect.stringContaining('--map'),
    });
    await done('backup', 'restore', id, '--map', `${a}=${a2}`, '--map', `${b}=${b2}`, '--verify', '--wait');
    execFileSync('cmp', [a, a2]);
    execFileSync('cmp', [b, b2]);
    expect(JSON.parse(await done('backup', 'cat', id, '/.stillpoint/disks.json'))).toMatchObject({ disks: [{ path: a }, { path: b }] });
  });
});
