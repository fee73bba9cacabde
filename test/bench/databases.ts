// Backups of databases beside the engine's own tool on its way through zstd, in turn, in one run. Writes test/bench/databases.md.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { startPostgres } from '../beds/postgres.ts';
import { startRedis } from '../beds/redis.ts';
import { type Measured, stillpoint, timed } from './contenders.ts';

interface Case {
  readonly work: string;
  /** Options of `plan create`. */
  readonly plan: readonly string[];
  /** A line for bash, run with pipefail. */
  readonly tool: string;
}

interface Stage {
  readonly cases: readonly Case[];
  stop(): Promise<unknown>;
}

/** About 200 MB of rows: numbers, text that compresses and text that does not. */
async function fill(server: SqlServer): Promise<void> {
  await server.sql(
    `CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, amount DECIMAL(10,2), at DATETIME, note VARCHAR(200), code CHAR(64));
     INSERT INTO shop.orders SELECT seq, seq / 7, FROM_UNIXTIME(1600000000 + seq), REPEAT(CONCAT('order ', seq % 1000, ' '), 8), SHA2(seq, 256)
     FROM shop.seq_1_to_1000000`,
  );
}

async function mysql(dir: string): Promise<Stage> {
  mkdirSync(dir);
  const server = await startMariadb({ dir, options: { 'log-bin': 'bin', 'innodb-buffer-pool-size': '512M' } });
  await fill(server);
  const access = ['--source', 'mysql', '--socket', server.socket, '--user', 'root'];
  const login = `--no-defaults --socket=${server.socket} --user=root`;
  const copy = join(dir, 'copy');
  return {
    cases: [
      {
        work: 'MariaDB, 200 MB, logical',
        plan: access,
        tool: `mariadb-dump ${login} --single-transaction --master-data=2 --all-databases | zstd -1 -qf -o ${join(dir, 'dump.zst')}`,
      },
      {
        work: 'the same, physical',
        plan: [...access, '--method', 'physical'],
        tool: `mariadb-backup ${login} --backup --stream=xbstream --target-dir=${copy} 2> /dev/null | zstd -1 -qf -o ${join(dir, 'copy.zst')}`,
      },
    ],
    stop: () => server.kill(),
  };
}

async function postgres(dir: string): Promise<Stage> {
  mkdirSync(dir);
  const server = await startPostgres({ dir });
  await server.sql(`CREATE TABLE orders AS SELECT n AS id, n / 7.0 AS amount, repeat('order ' || n % 1000 || ' ', 8) AS note,
    md5(n::text) || md5((n + 1)::text) AS code FROM generate_series(1, 1000000) n`);
  const access = [
    '--source',
    'postgres',
    '--socket',
    server.socket,
    '--port',
    String(server.port),
    '--user',
    server.user,
    '--password-file',
    join(dir, 'pw'),
  ];
  const pass = join(dir, 'pass');
  writeFileSync(pass, `*:*:*:*:${server.password}\n`, { mode: 0o600 });
  writeFileSync(join(dir, 'pw'), `${server.password}\n`, { mode: 0o600 });
  const login = `--host=${server.socket} --port=${server.port} --username=${server.user}`;
  return {
    cases: [
      {
        work: 'PostgreSQL, 200 MB, logical',
        plan: access,
        tool: `PGPASSFILE=${pass} pg_dump ${login} --format=custom --compress=0 postgres | zstd -1 -qf -o ${join(dir, 'dump.zst')}`,
      },
      {
        work: 'the same, physical',
        plan: [...access, '--method', 'physical'],
        tool: `PGPASSFILE=${pass} pg_basebackup ${login} --pgdata=- --format=tar --wal-method=fetch --checkpoint=fast | zstd -1 -qf -o ${join(dir, 'copy.zst')}`,
      },
    ],
    stop: () => server.stop(),
  };
}

async function redis(dir: string): Promise<Stage> {
  const server = await startRedis({ dir });
  for (let i = 0; i < 2000; i++) {
    const value = Buffer.alloc(100_000, `value ${i} `);
    crypto.getRandomValues(value.subarray(0, 50_000));
    await server.client.set(`key ${i}`, value);
  }
  return {
    cases: [
      {
        work: 'Redis, 200 MB',
        plan: ['--source', 'redis', '--socket', server.socket],
        tool: `redis-cli -s ${server.socket} --rdb ${join(dir, 'copy.rdb')} > /dev/null 2>&1`,
      },
    ],
    stop: () => server.kill(),
  };
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

export async function measureDatabases(runs: number): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'db-bench-'));
  chmodSync(root, 0o755); // postgres may not run as root
  const rows: string[] = [];
  try {
    for (const [name, start] of Object.entries({ mysql, postgres, redis })) {
      const stage = await start(join(root, name));
      const place = join(root, `${name}-agent`);
      mkdirSync(place);
      const ours = await stillpoint({ type: 'local', root: place });
      try {
        for (const one of stage.cases) rows.push(await rowOf(one, ours, runs));
      } finally {
        await ours.stop();
        await stage.stop();
      }
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  const head = ['| work | first | second | its tool | ratio first | ratio second | peak |', '|---|---|---|---|---|---|---|'];
  const text = `# Databases

Medians of ${runs} runs, in turn, from \`agentcli backup run --wait\` to the prompt, against the engine's own tool (through \`zstd -1\`; Redis without).
A ratio above 1: Stillpoint is faster; the goal is 1. The second run has nothing new. Peak: resident, of the task.

${[...head, ...rows].join('\n')}
`;
  writeFileSync(new URL('databases.md', import.meta.url), text);
  console.log(text);
}

async function rowOf({ work, plan, tool }: Case, ours: Awaited<ReturnType<typeof stillpoint>>, runs: number): Promise<string> {
  const [first, second, theirs]: [Measured[], Measured[], Measured[]] = [[], [], []];
  for (let run = 0; run < runs; run++) {
    ours.fresh();
    theirs.push(await timed(['bash', '-o', 'pipefail', '-c', tool], {}, () => []));
    first.push(await ours.backupOf('database', plan));
    second.push(await ours.backupOf('database', plan));
  }
  const [a, b, c] = [first, second, theirs].map((all) => median(all.map(({ seconds }) => seconds))) as [number, number, number];
  const peak = Math.max(...[...first, ...second].map((one) => one.peak)) / 1e6;
  return `| ${work} | ${a.toFixed(2)} s | ${b.toFixed(2)} s | ${c.toFixed(2)} s | ${(c / a).toFixed(2)} | ${(c / b).toFixed(2)} | ${peak.toFixed(0)} MB |`;
}
