// scripts/dev/node test/bench/stall.ts [--rounds N --cases plain,slow,report]: how long writers of a loaded MariaDB stand still, Stillpoint (A) and
// FLUSH TABLES WITH READ LOCK (B) in turn around the same snapshot of the same volume. Writes test/bench/stall.md. Nothing here decides a test.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Connection } from 'mysql2/promise';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { run } from '../beds/programs.ts';
import { type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { removeDisk, type StillBench, stillBench } from '../e2e/still-bench.ts';
import { type Arm, type Case, caseText, roundOf } from './stall-figures.ts';
import { now, type Write, type WritersSpec } from './stall-writers.ts';

const every = 40;
const cases = ['plain', 'slow', 'report'] as const;

interface Stage {
  readonly disk: SnapshotDisk;
  readonly server: SqlServer;
  readonly bench: StillBench;
  /** A session for the locks of B, one for the report. */
  readonly sessions: readonly [Connection, Connection];
  readonly writers: Worker;
}

/** Gives when the image was there and how long the locks were held, as far as it can tell (ms). */
type Doing = (stage: Stage) => Promise<{ readonly at: number; readonly held?: number }>;

interface Question {
  readonly title: string;
  /** The window that is measured, around the moment of the image (ms). */
  readonly before: number;
  readonly after: number;
  readonly ours: Doing;
  readonly theirs: Doing;
  readonly others?: Readonly<Record<string, Doing>>;
}

const nothing: Doing = async () => ({ at: now() });

async function image({ disk }: Stage): Promise<number> {
  await run('btrfs', ['subvolume', 'snapshot', '-r', disk.path, join(disk.path, 'image')]);
  return now();
}

async function noImage({ disk }: Stage): Promise<void> {
  await run('btrfs', ['subvolume', 'delete', join(disk.path, 'image')]);
}

/** A backup from the plan to the prompt; the image is seen from outside. */
const backup =
  (plan: string): Doing =>
  async ({ disk, bench }) => {
    const images = () => readdirSync(join(disk.path, '.stillpoint-snapshots')).length;
    const over = bench.run(plan);
    let at = 0;
    while (at === 0) {
      if (images() > 0) at = now();
      await pause(2);
    }
    const { task, backup } = await over;
    if (plan === 'frozen' && backup.consistency !== 'application') throw new Error(`not frozen: ${JSON.stringify(task.warnings)}`);
    return { at, ...(plan === 'frozen' ? { held: (await bench.told()).frozenMs } : {}) };
  };

/** The same freeze by RPC, our own snapshot in it. */
const byRpc =
  (wait: number): Doing =>
  async (stage) => {
    const freeze = await stage.bench.freeze();
    if (freeze.state !== 'frozen') throw new Error(`not frozen: ${JSON.stringify(freeze.problem)}`);
    const at = await image(stage);
    await pause(wait);
    const { held, frozenMs } = await stage.bench.thaw(freeze);
    if (held !== true) throw new Error('the freeze did not hold');
    await noImage(stage);
    return { at, held: frozenMs! };
  };

const readLock =
  (wait: number): Doing =>
  async (stage) => {
    const begun = now();
    await stage.sessions[0].query('FLUSH TABLES WITH READ LOCK');
    const at = await image(stage);
    await pause(wait);
    await stage.sessions[0].query('UNLOCK TABLES');
    const held = now() - begun;
    await noImage(stage);
    return { at, held };
  };

/** Somebody reads the table for three seconds, and is at it when the freeze begins. */
const besideReport =
  (doing: Doing): Doing =>
  async (stage) => {
    const report = stage.sessions[1].query('SELECT SLEEP(3) FROM ledger.InnoDB LIMIT 1');
    await pause(300);
    const done = await doing(stage);
    await report;
    return done;
  };

const questions: Readonly<Record<(typeof cases)[number], Question>> = {
  plain: {
    title: 'A snapshot backup as it is',
    ...{ before: 2000, after: 1500, ours: backup('frozen'), theirs: readLock(0) },
    others: {
      'the same backup without a freeze': backup('raw'),
      'the snapshot alone': async (stage) => {
        const at = await image(stage);
        await noImage(stage);
        return { at };
      },
    },
  },
  slow: {
    title: 'A snapshot that takes two seconds (a wait between freeze and thaw, by RPC)',
    ...{ before: 2000, after: 4000, ours: byRpc(2000), theirs: readLock(2000) },
  },
  report: {
    title: 'Beside a query that reads for three seconds',
    ...{ before: 3500, after: 3500, ours: besideReport(byRpc(0)), theirs: besideReport(readLock(0)) },
  },
};

/** Pages that an image holds on to are written anew: 400 MiB would not do for long. */
async function grow({ path }: SnapshotDisk): Promise<void> {
  await run('truncate', ['-s', '8G', join(dirname(path), 'image')]);
  await run('losetup', ['-c', (await run('findmnt', ['-n', '-o', 'SOURCE', path])).trim()]);
  await run('btrfs', ['filesystem', 'resize', 'max', path]);
}

async function prepare(): Promise<{ readonly stage: Stage; end(): Promise<void> }> {
  const disk = await snapshotDisk('btrfs');
  await grow(disk);
  const dir = mkdtempSync(join(tmpdir(), 'stall-'));
  const options = { datadir: join(disk.path, 'data'), 'log-bin': 'bin', 'sync-binlog': 1, 'innodb-log-file-size': '64M' };
  const server = await startMariadb({ dir, options });
  await server.sql('CREATE DATABASE ledger');
  for (const engine of ['InnoDB', 'Aria'])
    await server.sql(`CREATE TABLE ledger.${engine} (id INT AUTO_INCREMENT PRIMARY KEY, amount INT, note CHAR(200)) ENGINE=${engine}`);
  const bench = await stillBench('mysql');
  bench.set({ MYSQL_USER: 'root', MYSQL_SOCKET: server.socket });
  await bench.plan('frozen', [join(disk.path, 'data')], { freeze: true });
  await bench.plan('raw', [join(disk.path, 'data')], {});
  // The first backup reads everything and makes the place for images.
  await bench.run('raw');
  const pair = (table: string) => `INSERT INTO ledger.${table} (amount, note) VALUES (7, REPEAT('x', 200)), (-7, REPEAT('y', 200))`;
  const transaction = `BEGIN; ${pair('InnoDB')}; ${pair('InnoDB')}; COMMIT`;
  const spec: WritersSpec = { socket: server.socket, every, writes: [...Array<string>(6).fill(transaction), pair('InnoDB'), pair('Aria')] };
  const writers = new Worker(new URL('./stall-writers.ts', import.meta.url), { workerData: spec });
  const over = new Promise((resolve) => writers.once('exit', resolve));
  writers.on('error', (error) => console.error(error));
  const sessions = [await server.connect(), await server.connect()] as const;
  return {
    stage: { disk, server, bench, sessions, writers },
    async end() {
      writers.postMessage('stop');
      await over;
      for (const session of sessions) session.destroy();
      await bench.stop();
      await server.kill();
      await removeDisk(disk);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** All writes since it was asked for last, once those that were due by `until` are through. */
const gathered = ({ writers }: Stage, until: number): Promise<readonly Write[]> =>
  new Promise((resolve, reject) => {
    writers.once('error', reject);
    writers.once('message', (writes: readonly Write[]) => {
      writers.off('error', reject);
      resolve(writes);
    });
    writers.postMessage(until);
  });

async function round(stage: Stage, { before, after }: Question, doing: Doing) {
  await gathered(stage, now());
  await pause(before);
  const { at, held } = await doing(stage);
  const writes = await gathered(stage, at + after);
  const latencies = writes.filter(([due]) => due > at - before && due < at + after).map(([, latency]) => latency);
  return roundOf(latencies, held);
}

async function answer(stage: Stage, question: Question, rounds: number): Promise<Case> {
  const arm = (name: string, doing: Doing) => ({ name, doing, rounds: [] as Arm['rounds'] });
  const floor = arm('0: nothing', nothing);
  const ours = arm('A: Stillpoint', question.ours);
  const theirs = arm('B: FLUSH TABLES WITH READ LOCK', question.theirs);
  const others = Object.entries(question.others ?? {}).map(([name, doing]) => arm(name, doing));
  const arms = [floor, ours, theirs, ...others];
  for (let number = 1; number <= rounds; number++)
    // Forwards and backwards, so that none always comes after the same other one.
    for (const one of number % 2 === 1 ? arms : arms.toReversed()) {
      const felt = await round(stage, question, one.doing);
      one.rounds.push(felt);
      const figures = [felt.p50, felt.p99, felt.max, felt.held ?? 0].map((figure) => figure.toFixed(1).padStart(8)).join('');
      console.log(`${question.title.slice(0, 30).padEnd(31)}${String(number).padStart(3)}  ${one.name.padEnd(34)}${figures}${felt.writes}`);
    }
  return { title: question.title, floor, ours, theirs, others };
}

/** Measures and writes the page. Gives its text. */
export async function measureStall(rounds: number, wanted: readonly string[]): Promise<string> {
  const [busy] = loadavg();
  const { stage, end } = await prepare();
  const texts: string[] = [];
  try {
    for (const name of cases) if (wanted.includes(name)) texts.push(caseText(await answer(stage, questions[name], rounds)));
  } finally {
    await end();
  }
  const text = `# The stall that writers feel

MariaDB 10.11 with a binary log, all of it in one btrfs subvolume (sync_binlog=1, innodb_flush_log_at_trx_commit=1), on one machine with
${availableParallelism()} cores. Eight writers, each with a write every ${every} ms (seven InnoDB, one Aria); a write counts from the moment it was due, so
those that pile up behind a frozen one count as well. A, B and the idle floor in turn. Load average of the machine before: ${busy!.toFixed(1)}.
Held: of A from the last lock to the begin of the thaw, as its report tells; of B from asking for the lock to having let go. Made by
\`test/bench/stall.ts\`.

${texts.join('\n')}`;
  writeFileSync(new URL('./stall.md', import.meta.url), text);
  return text;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '7' }, cases: { type: 'string', default: cases.join(',') } },
  });
  console.log(`\n${await measureStall(Number(values.rounds), values.cases.split(','))}`);
}
