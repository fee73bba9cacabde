// The still point on a logical volume, end to end: a MariaDB under load that comes back sound, an image that overflows under a backup, and a task
// that is killed with its image. Needs root and device-mapper: where there is none it runs in a virtual machine (test/full/lvm-vm.test.ts).
import { closeSync, fsyncSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backup, Task } from '../../src/rpc/schemas.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { noLvm, noLvmNote, type Volume, type VolumeGroup, volumeGroup } from '../beds/vm/volume-group.ts';
import { type StillBench, stillBench } from './still-bench.ts';

let group: VolumeGroup;
let volume: Volume;
let bench: StillBench;
beforeEach(async () => {
  bench = await stillBench('mysql');
});
afterEach(() => bench?.stop());

async function makeVolume(bytes: number): Promise<void> {
  group = await volumeGroup();
  volume = await group.volume('thick', 'xfs', bytes);
}
async function removeVolume(): Promise<void> {
  await group?.remove();
}

describe.skipIf(noLvm)(`a MariaDB under load on a logical volume${noLvmNote}`, () => {
  const engines = ['InnoDB', 'MyISAM', 'Aria'];
  const data = () => join(volume.path, 'data');
  let server: SqlServer;

  beforeAll(async () => {
    await makeVolume(1 << 30);
    server = await serverOn(data());
    await server.sql('CREATE DATABASE ledger');
    for (const engine of engines)
      await server.sql(`CREATE TABLE ledger.${engine} (id INT AUTO_INCREMENT PRIMARY KEY, amount INT, note CHAR(200)) ENGINE=${engine}`);
  });
  afterAll(async () => {
    await server?.kill();
    await removeVolume();
  });

  /** Data, redo log and binary log are all on the volume. */
  const serverOn = (datadir: string) =>
    startMariadb({
      dir: mkdtempSync(join(tmpdir(), 'mdb-')),
      options: {
        datadir,
        'log-bin': join(datadir, 'bin'),
        'sync-binlog': 1,
        'innodb-log-file-size': '16M',
        'innodb-max-dirty-pages-pct': 0,
      },
    });

  /** One backup while writers write that leave each table's sum at zero with each statement or transaction. */
  async function backedUp(consistency: object): Promise<{ readonly task: Task; readonly backup: Backup }> {
    await bench.plan('db', [data()], consistency);
    let running = true;
    const pair = (table: string) => `INSERT INTO ledger.${table} (amount, note) VALUES (7, REPEAT('x', 200)), (-7, REPEAT('y', 200))`;
    const single = (amount: number) => `INSERT INTO ledger.InnoDB (amount, note) VALUES (${amount}, 'a')`;
    const counts = [0, 0, 0];
    const writers = [[pair('MyISAM')], [pair('Aria')], ['BEGIN', single(3), single(-3), 'COMMIT']].map(async (statements, i) => {
      const session = await server.connect();
      for (; running; counts[i]!++) for (const statement of statements) await session.query(statement);
      session.destroy();
    });
    await expect.poll(() => Math.min(...counts)).toBeGreaterThan(5);
    const done = await bench.run('db');
    const then = Math.min(...counts);
    await expect.poll(() => Math.min(...counts)).toBeGreaterThan(then);
    running = false;
    await Promise.all(writers);
    return done;
  }

  /** What a fresh server says of the backup's tables. */
  async function restored(backup: Backup): Promise<{ readonly checks: string[]; readonly sums: number[] }> {
    const target = mkdtempSync(join(tmpdir(), 'still-back-'));
    await bench.restore(backup, target);
    const copy = await serverOn(join(target, data()));
    try {
      const checks = await copy.sql(`CHECK TABLE ${engines.map((engine) => `ledger.${engine}`).join(', ')}`);
      const sums: number[] = [];
      for (const engine of engines) sums.push(Number((await copy.sql(`SELECT SUM(amount) AS s FROM ledger.${engine}`))[0]!['s']));
      return { checks: checks.map((row) => `${row['Msg_type']}: ${row['Msg_text']}`), sums };
    } finally {
      await copy.kill();
      rmSync(target, { recursive: true, force: true });
    }
  }

  it('A2 S6 is application-consistent: every table is sound, and the sums are zero', async () => {
    bench.set({ MYSQL_USER: 'root', MYSQL_SOCKET: server.socket });
    const { task, backup } = await backedUp({ freeze: true, freezeLimit: 300 });
    expect(task).toMatchObject({ state: 'done', warnings: [] });
    expect(backup).toMatchObject({ consistency: 'application', consistencyReason: null });
    expect(await restored(backup)).toEqual({ checks: ['status: OK', 'status: OK', 'status: OK'], sums: [0, 0, 0] });
    expect(group.volumes()).toEqual([nameOf(volume)]);
  });

  it('A2 without the freeze the same checks fail: the negative control', async () => {
    const { backup } = await backedUp({});
    expect(backup).toMatchObject({ consistency: 'crash', consistencyReason: null });
    expect((await restored(backup)).checks).not.toEqual(['status: OK', 'status: OK', 'status: OK']);
  });
});

describe.skipIf(noLvm)(`a backup from an image on a logical volume${noLvmNote}`, () => {
  beforeAll(async () => {
    await makeVolume(512 << 20);
    writeOver(join(volume.path, 'file'), 1);
  });
  afterAll(removeVolume);

  /** A backup whose task stands still with its image open. */
  async function stopped(): Promise<{ readonly task: Task; readonly pid: number }> {
    await bench.plan('files', [volume.path], {});
    const task = await bench.agent.client.call('backupRun', { body: { plan: 'files' } });
    const images = join(bench.agent.layout.run, 'images');
    await expect.poll(() => readFileSync('/proc/self/mounts', 'utf8').includes(images), { interval: 5 }).toBe(true);
    const pid = taskOf(bench.agent.process.pid!);
    process.kill(pid, 'SIGSTOP');
    expect(group.volumes()).toHaveLength(2);
    return { task, pid };
  }

  it('S1 fails when the image overflows; the volume goes on, and nothing is left behind', async () => {
    const { task, pid } = await stopped();
    try {
      writeOver(join(volume.path, 'file'), 2);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect(await bench.agent.wait(task)).toMatchObject({ state: 'failed', problem: { code: 'SNAPSHOT_LOST' } });
    writeOver(join(volume.path, 'file'), 3);
    expect(group.volumes()).toEqual([nameOf(volume)]);
  });

  it('S1 whose task is killed leaves its image to the next backup, which removes it', async () => {
    const { task, pid } = await stopped();
    process.kill(pid, 'SIGKILL');
    expect(await bench.agent.wait(task)).toMatchObject({ state: 'died' });
    const next = await bench.run('files');
    expect(next).toMatchObject({ task: { state: 'done' }, backup: { consistency: 'crash' } });
    expect(group.volumes()).toEqual([nameOf(volume)]);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(bench.agent.home);
  });
});

const nameOf = ({ device }: Volume): string => device.split('/').at(-1)!;

/** More than an image of 512 MiB has room for. */
function writeOver(path: string, byte: number): void {
  const fd = openSync(path, 'a');
  closeSync(fd);
  const file = openSync(path, 'r+');
  const piece = Buffer.alloc(8 << 20, byte);
  for (let at = 0; at < 160 << 20; at += piece.length) writeSync(file, piece, 0, piece.length, at);
  fsyncSync(file);
  closeSync(file);
}

/** The pid of the one rdtask below this process. */
function taskOf(agent: number): number {
  const found = readdirSync('/proc').filter((pid) => {
    try {
      const parent = Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]);
      return parent === agent && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('rdtask');
    } catch {
      return false; // no process, or it is gone
    }
  });
  expect(found).toHaveLength(1);
  return Number(found[0]);
}
