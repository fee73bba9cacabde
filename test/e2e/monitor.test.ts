// rdmonitor with real processes: whatever dies or hangs is replaced, nothing stays frozen, and nothing is left when it stops.
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readConnection } from '../../src/config/connection.ts';
import { createClient } from '../../src/rpc/client.ts';
import { type FileSystem, fileSystem } from '../beds/file-system.ts';
import { newHome, removeHome } from './agent-bench.ts';
import { answeringAgent, layoutIn, named, pidOf, processesOf, type RunningMonitor, startMonitor } from './monitor-bench.ts';

const nobody = 65534;

let home: string;
let monitor: RunningMonitor;
// One home for all: its compiled code is kept, and what died in one test is met by the next start.
beforeAll(() => {
  home = newHome();
  mkdirSync(join(home, 'conf'));
  writeFileSync(join(home, 'conf/agent.yaml'), 'freezesPerHour: 100\n');
});
afterAll(() => removeHome(home));
beforeEach(async () => {
  monitor = startMonitor(home);
  await expect.poll(() => said(/^rdagent answers/)).toHaveLength(1);
});
afterEach(async () => {
  kill(monitor.process.pid ?? 0, 'SIGKILL');
  await expect.poll(() => processesOf(home).map(({ pid }) => kill(pid, 'SIGKILL'))).toEqual([]);
  rmSync(stoppedNote(), { force: true });
});

const stoppedNote = () => join(layoutIn(home).agentRun, 'stopped');

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

const said = (pattern: RegExp) => monitor.lines().filter(({ msg }) => pattern.test(msg));

const agentIsWell = async () => (await answeringAgent(home)) === pidOf(home, 'rdagent');

/** Until another process than `old` answers in its place. */
async function replaced(name: string, old: number): Promise<void> {
  await expect.poll(() => pidOf(home, name)).not.toBe(old);
  await expect.poll(() => said(new RegExp(`^${name} answers`)).length).toBe(2);
  expect(pidOf(home, name)).toBeGreaterThan(0);
  await expect.poll(agentIsWell).toBe(true);
}

describe('rdmonitor', () => {
  it('A18 starts rdprovider, then rdagent; replaces either when it is killed, and leaves the other alone', async () => {
    expect(monitor.lines().flatMap(({ msg }) => (/ (is started|answers)$/.test(msg) ? [msg] : []))).toEqual([
      ...['rdprovider is started', 'rdprovider answers'],
      ...['rdagent is started', 'rdagent answers'],
    ]);
    expect(await answeringAgent(home)).toBe(pidOf(home, 'rdagent'));
    const [provider, agent] = [pidOf(home, 'rdprovider'), pidOf(home, 'rdagent')];
    kill(agent, 'SIGKILL');
    await replaced('rdagent', agent);
    expect(pidOf(home, 'rdprovider')).toBe(provider);
    const second = pidOf(home, 'rdagent');
    kill(provider, 'SIGKILL');
    await replaced('rdprovider', provider);
    expect(pidOf(home, 'rdagent')).toBe(second);
    expect(named(home, 'rdagent')).toHaveLength(1);
    expect(named(home, 'rdprovider')).toHaveLength(1);
    expect(readFileSync(join(home, 'log/monitor.log'), 'utf8')).toContain('rdagent has ended by itself (signal SIGKILL)');
  });

  it('A18 kills and replaces a rdagent and a rdprovider that live and do not answer', async () => {
    const old = [pidOf(home, 'rdprovider'), pidOf(home, 'rdagent')] as const;
    for (const pid of old) kill(pid, 'SIGSTOP');
    await expect
      .poll(() =>
        said(/hangs and is killed/)
          .map(({ process }) => process)
          .toSorted(),
      )
      .toEqual(['rdagent', 'rdprovider']);
    await replaced('rdprovider', old[0]);
    await replaced('rdagent', old[1]);
    for (const pid of old) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('A11 does not start what was stopped on purpose until that is over', async () => {
    const agent = pidOf(home, 'rdagent');
    writeFileSync(stoppedNote(), '');
    kill(agent, 'SIGTERM');
    await expect.poll(() => said(/rdagent was stopped on purpose/)).toHaveLength(1);
    expect(pidOf(home, 'rdagent')).toBe(0);
    expect(pidOf(home, 'rdprovider')).toBeGreaterThan(0);
    rmSync(stoppedNote());
    await replaced('rdagent', agent);
  });

  it('A18 on SIGTERM ends with 0 and leaves no process behind; rdagent ends first', async () => {
    monitor.process.kill('SIGTERM');
    expect(await monitor.exited).toBe(0);
    expect(processesOf(home)).toEqual([]);
    expect(said(/^(rdagent|rdprovider) has stopped/).map(({ process }) => process)).toEqual(['rdagent', 'rdprovider']);
    expect(said(/killed/)).toEqual([]);
  });

  it('A18 killed itself leaves the agent at work; the next one refuses to begin and names what runs without it', async () => {
    const running = ['rdprovider', 'rdagent'].map((name) => ({ name, pid: pidOf(home, name) }));
    const beside = startMonitor(home);
    expect(await beside.exited).toBe(5);
    expect(beside.output()).toContain(`rdmonitor is process ${monitor.process.pid}`);

    monitor.process.kill('SIGKILL');
    await monitor.exited;
    expect(await answeringAgent(home)).toBe(pidOf(home, 'rdagent'));
    const next = startMonitor(home);
    expect(await next.exited).toBe(5);
    for (const { name, pid } of running) expect(next.output()).toContain(`${name} is process ${pid}`);
    expect(await answeringAgent(home)).toBe(pidOf(home, 'rdagent'));

    for (const { pid } of running.toReversed()) {
      kill(pid, 'SIGTERM');
      await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
    }
    monitor = startMonitor(home);
    await expect.poll(() => said(/^rdagent answers/)).toHaveLength(1);
  });
});

describe('rdmonitor of root, with rdagent as somebody else', () => {
  it('A18 keeps rdagent as that user, who gets nothing of what root has', async () => {
    monitor.process.kill('SIGTERM');
    await monitor.exited;
    const other = newHome();
    chmodSync(other, 0o755);
    for (const folder of ['conf', 'conf/certs', 'data', 'log', 'tmp']) {
      mkdirSync(join(other, folder), { mode: 0o750 });
      chownSync(join(other, folder), nobody, nobody);
    }
    // A trap: what root would write there goes elsewhere.
    symlinkSync('/dev/null', join(other, 'log/monitor.log'));
    const before = home;
    home = other;
    try {
      monitor = startMonitor(home, { AGENT_USER: 'nobody', SECRET_OF_ROOT: 'x' });
      await expect.poll(() => said(/^rdagent answers/)).toHaveLength(1);
      expect(said(/there is no log file/)).toHaveLength(1);
      const old = pidOf(home, 'rdagent');
      expect(statSync(`/proc/${old}`).uid).toBe(nobody);
      expect(statSync(`/proc/${pidOf(home, 'rdprovider')}`).uid).toBe(0);
      expect(processesOf(home).filter(({ pid }) => pid !== monitor.process.pid).length).toBeGreaterThan(1);
      for (const name of ['rdagent', 'rdprovider'])
        expect(readFileSync(`/proc/${pidOf(home, name)}/environ`, 'utf8')).not.toContain('SECRET_OF_ROOT');
      kill(old, 'SIGKILL');
      await replaced('rdagent', old);
      expect(statSync(`/proc/${pidOf(home, 'rdagent')}`).uid).toBe(nobody);
      monitor.process.kill('SIGTERM');
      expect(await monitor.exited).toBe(0);
      expect(processesOf(home)).toEqual([]);
    } finally {
      for (const { pid } of processesOf(other)) kill(pid, 'SIGKILL');
      home = before;
      removeHome(other);
    }
  });
});

describe('what a crash left frozen', () => {
  let disk: FileSystem;
  beforeEach(async () => {
    disk = await fileSystem('ext4');
    const client = createClient(readConnection(layoutIn(home)));
    const { id } = await client.call('freezeStart', { body: { applications: false, fileSystems: [disk.path], limitSeconds: 60 } });
    await expect.poll(async () => (await client.call('freezeShow', { params: { id } })).state).toBe('frozen');
    client.close();
    expect(await disk.isFrozen()).toBe(true);
  });
  afterEach(() => disk.remove());

  /** Everything that could thaw by itself dies before it can. */
  function crash(): void {
    const [freezer] = named(home, 'rdfreeze');
    expect(freezer).toBeDefined();
    kill(freezer?.pid ?? 0, 'SIGSTOP');
    const helpers = named(home, 'helper');
    expect(helpers.length).toBeGreaterThan(1);
    const others = ['rdagent', 'rdprovider'].flatMap((name) => named(home, name));
    for (const { pid } of [...helpers, ...others, ...(freezer ? [freezer] : [])]) kill(pid, 'SIGKILL');
  }

  /** In their order: what thawed, and what was started. */
  const story = () =>
    monitor.lines().flatMap(({ msg, text = '' }) => {
      if (text.includes(`thawed: file system ${disk.path}`)) return ['thawed'];
      return / is started$/.test(msg) ? [msg] : [];
    });

  it('A3 A18 is thawed by rdmonitor within 5 s, before anything is started again', async () => {
    crash();
    const died = performance.now();
    await expect.poll(disk.isFrozen, { timeout: 5000, interval: 50 }).toBe(false);
    expect(performance.now() - died).toBeLessThan(5000);
    await expect.poll(() => story()).toHaveLength(5);
    expect(story().slice(0, 3)).toEqual(['rdprovider is started', 'rdagent is started', 'thawed']);
    await expect.poll(agentIsWell).toBe(true);
  });

  it('A3 A18 stays so when rdmonitor dies, too, until the next one comes: it thaws before it starts anything', async () => {
    monitor.process.kill('SIGKILL');
    await monitor.exited;
    crash();
    await expect.poll(() => processesOf(home)).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    // The negative control: nobody else thaws it.
    expect(await disk.isFrozen()).toBe(true);

    monitor = startMonitor(home);
    await expect.poll(disk.isFrozen).toBe(false);
    await expect.poll(() => story()).toHaveLength(3);
    expect(story()).toEqual(['thawed', 'rdprovider is started', 'rdagent is started']);
  });
});
