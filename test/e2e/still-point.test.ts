// The still point, end to end: a plan that says "application-consistent", a MariaDB under load on btrfs, and a restore into a fresh server.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FactsByName } from '../../src/model/freeze.ts';
import type { Backup, Task } from '../../src/rpc/schemas.ts';
import { allSound, allZero, binaryLog, checksums, checkTables, createLedger, ledgerLoad, replay, sums } from '../beds/ledger.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { restic } from '../beds/restic.ts';
import { type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { type RunningAgent, startAgent } from './agent-bench.ts';

const script = fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url));
const options = (data: string) => ({
  datadir: data,
  'log-bin': join(data, 'bin'),
  'sync-binlog': 1,
  'innodb-log-file-size': '16M',
  'innodb-max-dirty-pages-pct': 0,
});

let top: string;
let disk: SnapshotDisk;
let server: SqlServer;
let agent: RunningAgent;
let location: string;
let recoveryKey: string;
const scripts = () => join(agent.home, 'bin/thirdparty/ebk_user');

beforeAll(async () => {
  disk = await snapshotDisk('btrfs');
  server = await startMariadb({ dir: mkdtempSync(join(tmpdir(), 'mdb-')), options: options(join(disk.path, 'data')) });
  await createLedger(server);
});
afterAll(async () => {
  await server?.kill();
  await disk?.remove();
});

beforeEach(async () => {
  top = mkdtempSync(join(tmpdir(), 'still-point-'));
  const home = join(top, 'agent');
  mkdirSync(join(home, 'conf'), { recursive: true });
  writeFileSync(join(home, 'conf/agent.yaml'), 'freezesPerHour: 100\n');
  agent = await startAgent(home, { AGENT_TASK_SCRIPT: script, AGENT_FREEZE_LOCK: join(top, 'lock') });
  for (const name of readdirSync(scripts())) if (!name.startsWith('mysql')) rmSync(join(scripts(), name));
  setScripts({ MYSQL_USER: 'root', MYSQL_SOCKET: server.socket });
  const { client } = agent;
  await client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(top, 'pool') }, create: true } });
  const made = await client.call('vaultCreate', { body: { name: 'v' } });
  location = made.vault.location;
  recoveryKey = made.recoveryKey;
});
afterEach(async () => {
  await agent.stop();
  rmSync(top, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

/** The settings on top of both scripts, as an administrator edits them. */
function setScripts(settings: Readonly<Record<string, string>>): void {
  for (const name of ['mysql_freeze.sh', 'mysql_unfreeze.sh']) {
    const path = join(scripts(), name);
    const edited = Object.entries(settings).reduce(
      (text, [key, value]) => text.replace(new RegExp(`^${key}='.*'$`, 'm'), `${key}='${value}'`),
      readFileSync(path, 'utf8'),
    );
    writeFileSync(path, edited);
  }
}

async function runPlan(plan: string): Promise<{ readonly task: Task; readonly backup: Backup }> {
  const task = await agent.wait(await agent.client.call('backupRun', { body: { plan } }));
  return { task, backup: await agent.client.call('backupShow', { params: { id: task.backupId! } }) };
}

const plan = (name: string, consistency: object) =>
  agent.client.call('planCreate', {
    body: { name, source: { kind: 'files', paths: [join(disk.path, 'data')] }, consistency },
  });

/** The backup's files in a fresh server, which recovers as after a power cut. */
async function restored(backup: Backup): Promise<SqlServer> {
  const target = { kind: 'files' as const, path: join(top, 'back') };
  const restore = await agent.client.call('backupRestore', { params: { id: backup.id }, body: { target } });
  expect(await agent.wait(restore)).toMatchObject({ state: 'done' });
  return startMariadb({ dir: mkdtempSync(join(tmpdir(), 'mdb-')), options: options(join(top, 'back', disk.path, 'data')) });
}

describe('a snapshot backup of a MariaDB under load', () => {
  it('A2 S6 is application-consistent: every table is sound, the sums are zero, and the binary log goes on from the position it names', async () => {
    await plan('db', { freeze: true });
    const writers = await ledgerLoad(server);
    const { task, backup } = await runPlan('db');
    await pause(300);
    expect(await writers.stop()).toBeGreaterThan(20);
    expect(task).toMatchObject({ state: 'done', warnings: [] });
    expect(backup).toMatchObject({ consistency: 'application', consistencyReason: null });

    const copy = await restored(backup);
    try {
      expect(await checkTables(copy)).toEqual(allSound);
      expect(await sums(copy)).toEqual(allZero);

      const stock = restic('restic', location, recoveryKey, top);
      const frozen = JSON.parse(await stock.run('dump', 'latest', '/.stillpoint/freeze.json')) as { facts: FactsByName };
      const { file, position } = binaryLog(frozen.facts);
      const logs = readdirSync(join(disk.path, 'data')).filter((name) => /^bin\.\d+$/.test(name) && name >= file);
      await replay(
        copy,
        logs.sort().map((name) => join(disk.path, 'data', name)),
        position,
      );
      expect(await checksums(copy)).toEqual(await checksums(server));
    } finally {
      await copy.kill();
    }
  });

  it('A2 without the freeze the same checks fail: the negative control', async () => {
    await plan('raw', {});
    const writers = await ledgerLoad(server);
    const { backup } = await runPlan('raw');
    await writers.stop();
    expect(backup).toMatchObject({ consistency: 'crash', consistencyReason: null });
    const copy = await restored(backup);
    try {
      expect(await checkTables(copy)).not.toEqual(allSound);
    } finally {
      await copy.kill();
    }
  });
});

describe('a freeze that does not come about or does not hold', () => {
  it('A2 A22 falls back to a grey backup that says why, or fails where the plan says so', async () => {
    await plan('db', { freeze: true });
    setScripts({ MYSQL_USER: 'nobody-here' });
    const { task, backup } = await runPlan('db');
    expect(task).toMatchObject({ state: 'warnings', warnings: [{ detail: expect.stringContaining('refuses the login') }] });
    expect(backup).toMatchObject({ consistency: 'crash', consistencyReason: expect.stringContaining('refuses the login') });

    await agent.client.call('planUpdate', { params: { id: 'db' }, body: { consistency: { otherwise: 'fail' } } });
    const refused = await agent.wait(await agent.client.call('backupRun', { body: { plan: 'db' } }));
    expect(refused).toMatchObject({ state: 'failed', problem: { code: 'CONSISTENCY_NOT_REACHED' } });
    expect(readdirSync(join(disk.path, '.stillpoint-snapshots'))).toEqual([]);
    expect(await writable()).toBe(true);
  });

  it('A3 A5 by RPC: held throughout is told, and so is a session that was killed, a limit that ran out, and a freeze too many', async () => {
    const { client } = agent;
    const start = async (limitSeconds = 30) => {
      let freeze = await client.call('freezeStart', { body: { limitSeconds } });
      while (freeze.state === 'freezing') freeze = await client.call('freezeShow', { params: { id: freeze.id } });
      return freeze;
    };
    const thaw = (id: string) => client.call('freezeThaw', { params: { id } });

    const good = await start();
    expect(good).toMatchObject({ state: 'frozen', names: ['mysql'] });
    const write = server.sql("INSERT INTO ledger.InnoDB (amount, note) VALUES (0, 'waits')");
    expect(await Promise.race([write.then(() => 'written'), pause(500, 'waiting')])).toBe('waiting');
    expect((await start()).problem).toMatchObject({ code: 'FREEZE_BUSY' });
    expect(await thaw(good.id)).toMatchObject({ state: 'thawed', held: true, lost: null, thawed: true });
    await write;

    const killed = await start();
    for (const row of await server.sql('SHOW PROCESSLIST'))
      if (row['Command'] === 'Sleep') await server.sql(`KILL ${row['Id']}`).catch(() => undefined);
    expect(await thaw(killed.id)).toMatchObject({ held: false, lost: { cause: 'lost' }, thawed: true });

    const late = await start(10);
    expect(late).toMatchObject({ state: 'frozen', problem: null });
    await expect.poll(async () => (await client.call('freezeShow', { params: { id: late.id } })).state, { timeout: 30_000 }).toBe('thawed');
    expect(await thaw(late.id)).toMatchObject({ held: false, lost: { cause: 'expired' }, thawed: true });
    expect(await writable()).toBe(true);
  });
});

const writable = async (): Promise<boolean> => {
  const write = server.sql("INSERT INTO ledger.InnoDB (amount, note) VALUES (0, 'free')").then(() => true);
  return Promise.race([write, pause(5000, false)]);
};
