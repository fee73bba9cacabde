// Physical backups of a real MariaDB with its own tool.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import type { MysqlSource } from '../../src/model/service.ts';
import { createLedger, ledgerLoad } from '../beds/ledger.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { processes } from '../beds/processes.ts';
import { needPrograms } from '../beds/programs.ts';
import { full } from '../beds/task-runner.ts';
import { backupTask, testVault, type Vault } from '../beds/vault.ts';

const password = 'a "quoted" \\ # secret; 42';
const home = mkdtempSync(join(tmpdir(), 'mp-'));
let server: SqlServer;
let vault: Vault;

const source = (more: Partial<MysqlSource['server']> = {}): MysqlSource => ({
  kind: 'mysql',
  method: 'physical',
  server: { socket: server.socket, user: 'stillpoint', password, ...more },
  databases: [],
  tables: [],
});

const refusal = async (work: Promise<unknown>): Promise<StillpointError> =>
  work.then(
    () => expect.unreachable('it was not refused'),
    (error: StillpointError) => error,
  );

/** Other tests run beside this one: ours names our socket. */
const isOurs = (path: string): boolean => {
  try {
    return readFileSync(path, 'utf8').includes(home);
  } catch {
    return false;
  }
};
const tools = () =>
  processes().filter(({ words }) => words[0] === 'mariadb-backup' && isOurs(words[1]?.replace('--defaults-file=', '') ?? ''));
/** Files of credentials that tasks left. */
const scratch = () =>
  readdirSync(tmpdir())
    .filter((name) => name.startsWith('task-'))
    .flatMap((task) => {
      try {
        return readdirSync(join(tmpdir(), task)).map((name) => join(tmpdir(), task, name, 'options'));
      } catch {
        return [];
      }
    })
    .filter(isOurs);

beforeAll(async () => {
  needPrograms(['mariadb-backup'], 'mariadb-backup');
  server = await startMariadb({ dir: join(home, 's'), options: { 'log-bin': 'bin', 'server-id': 7 } });
  await server.sql(`CREATE USER stillpoint@localhost IDENTIFIED BY '${password.replaceAll('\\', '\\\\')}'`);
  await server.sql('GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO stillpoint@localhost');
  await createLedger(server);
  vault = testVault(join(home, 'pool'), 'v', 'password of the agent');
  await vault.create('recovery key');
}, 120_000);

afterAll(async () => {
  await server?.stop();
  rmSync(home, { recursive: true, force: true });
});

describe('S5 physical backups of MariaDB', () => {
  test('S5 the tree holds the files, where the log stood and what a new server needs; nothing else is left', async () => {
    await settled(); // tables that are younger than the last checkpoint are called otherwise
    await server.sql("INSERT INTO ledger.InnoDB (amount, note) VALUES (5, 'a'), (-5, 'b')");
    const [{ File: file, Position: position } = {}] = await server.sql('SHOW MASTER STATUS');
    const record = await vault.backup(source());
    const tags = record.tags;
    expect(tags).toMatchObject({
      consistency: 'application',
      logUntil: { place: `${file}:${position}`, gtid: expect.stringMatching(/^0-7-\d+$/) },
    });
    const facts = JSON.parse((await vault.cat(record.id, '/mysql/backup.json')).toString());
    expect(facts).toMatchObject({
      format: 1,
      method: 'physical',
      kind: 'MariaDB',
      tool: 'mariadb-backup',
      log: { place: tags.logUntil!.place, server: tags.logUntil!.server },
    });
    expect(facts.settings).toMatchObject({ innodb_page_size: '16384', lower_case_table_names: '0' });
    const paths = (await vault.ls(record.id)).map(({ path }) => path);
    for (const path of ['ibdata1', 'ib_logfile0', 'ledger/InnoDB.ibd', 'ledger/MyISAM.MYD', 'ledger/Aria.MAD', 'mysql/global_priv.MAD'])
      expect(paths).toContain(`/mysql/data/${path}`);
    expect(scratch()).toEqual([]);
    expect(tools()).toEqual([]);
  });

  test('S5 after one in a hundred pages has changed the next run stores less than 8 %', async () => {
    const rows = full ? 60_000 : 6000; // two a page of 16 KiB
    await server.sql('CREATE TABLE ledger.pages (id INT PRIMARY KEY, body VARBINARY(7000)) ENGINE=InnoDB');
    await server.sql(
      `SET SESSION sql_log_bin = 0; USE ledger; INSERT INTO pages SELECT seq, CONCAT(RANDOM_BYTES(1000), RANDOM_BYTES(1000), RANDOM_BYTES(1000), RANDOM_BYTES(1000), RANDOM_BYTES(1000), RANDOM_BYTES(1000), RANDOM_BYTES(1000)) FROM seq_1_to_${rows}`,
    );
    await settled();
    const first = await vault.backup(source());
    const pages = rows / 2;
    const chosen = Array.from({ length: Math.round(pages / 100) }, () => 1 + Math.floor(Math.random() * rows));
    await server.sql(
      `SET SESSION sql_log_bin = 0; UPDATE ledger.pages SET body = INSERT(body, 1, 1000, RANDOM_BYTES(1000)) WHERE id IN (${chosen.join()})`,
    );
    await settled();
    const second = await vault.backup(source());
    const share = second.summary!.dataAdded / second.summary!.totalBytes;
    const touched = 1 - 0.99 ** 4;
    expect(
      share,
      `blocks of 64 KiB; ${chosen.length} of ${pages} pages changed, ${(touched * 100).toFixed(1)} % of the blocks were to be touched; ${(share * 100).toFixed(1)} % of ${first.summary!.totalBytes} bytes were stored`,
    ).toBeLessThan(0.08);
    expect(share).toBeGreaterThan(0.01);
  });

  test('S5 an account without the rights is refused with the statement that grants them', async () => {
    await server.sql("CREATE USER poor@localhost IDENTIFIED BY 'x'; GRANT PROCESS ON *.* TO poor@localhost");
    const error = await refusal(vault.backup(source({ user: 'poor', password: 'x' })));
    expect(error.code).toBe('DATABASE_GRANTS');
    expect(error.message).toContain('RELOAD, BINLOG MONITOR');
    expect(error.hint).toContain("GRANT RELOAD, BINLOG MONITOR ON *.* TO 'poor'@'localhost'");
    const wrong = await refusal(vault.backup(source({ password: 'wrong' })));
    expect(wrong.code).toBe('DATABASE_LOGIN');
  });

  test('S5 a tool that is missing, of another version, or fails makes no backup', async () => {
    const folder = join(home, 'bin');
    mkdirSync(folder);
    const path = process.env['PATH'];
    const tool = (text: string) => {
      writeFileSync(join(folder, 'mariadb-backup'), `#!/bin/bash\n${text}\n`);
      chmodSync(join(folder, 'mariadb-backup'), 0o755);
    };
    const version = 'echo "mariadb-backup based on MariaDB server 10.11.1-MariaDB" >&2';
    const error = () => refusal(vault.backup(source()));
    const records = (await vault.records()).length;
    try {
      process.env['PATH'] = folder;
      expect(await error()).toMatchObject({ code: 'TOOL_MISSING', hint: expect.stringContaining('apt-get install mariadb-backup') });
      process.env['PATH'] = `${folder}:${path}`;
      tool('echo "mariadb-backup based on MariaDB server 10.6.3-MariaDB" >&2');
      expect(await error()).toMatchObject({ code: 'TOOL_VERSION', message: expect.stringContaining('10.6.3') });
      tool(`[[ $* = *--version* ]] && { ${version}; exit; }; echo "[00] 2026-01-01 01:01:01 completed OK!" >&2; echo nonsense`);
      expect(await error()).toMatchObject({ code: 'TOOL_FAILED', message: expect.stringContaining('its stream is broken') });
      tool(`[[ $* = *--version* ]] && { ${version}; exit; }; echo "[00] FATAL ERROR: 2026-01-01 01:01:01 no such luck" >&2; exit 0`);
      expect(await error()).toMatchObject({ code: 'TOOL_FAILED', message: expect.stringContaining('no such luck') });
      tool(
        `[[ $* = *--version* ]] && { ${version}; exit; }; /usr/bin/mariadb-backup "$@" | head -c 3000000; echo "error: cut off" >&2; exit 1`,
      );
      expect(await error()).toMatchObject({ code: 'TOOL_FAILED', message: expect.stringContaining('cut off') });
    } finally {
      process.env['PATH'] = path;
    }
    expect(await vault.records()).toHaveLength(records);
  });

  test('S5 the tool killed, the task cancelled, the server killed in the middle: no backup, no process, no lock is left', async () => {
    const records = (await vault.records()).length;
    const load = await ledgerLoad(server);
    const inTheMiddle = async () => {
      await expect.poll(() => tools().length, { timeout: 20_000 }).toBe(1);
      await expect
        .poll(async () => (await server.sql('SHOW PROCESSLIST')).some(({ User }) => User === 'stillpoint'), { timeout: 20_000 })
        .toBe(true);
      return tools()[0]!.pid;
    };
    const killed = refusal(vault.backup(source()));
    process.kill(await inTheMiddle(), 'SIGKILL');
    expect(await killed).toMatchObject({ code: 'TOOL_FAILED', message: expect.stringContaining('SIGKILL') });

    const cancel = new AbortController();
    const cancelled = refusal(vault.run(backupTask(source()), { signal: cancel.signal }));
    await inTheMiddle();
    cancel.abort();
    await cancelled;
    expect(tools()).toEqual([]);
    await expect.poll(async () => (await server.sql('SHOW PROCESSLIST')).some(({ User }) => User === 'stillpoint')).toBe(false);
    await server.sql('CREATE TABLE ledger.later (id INT)'); // no backup lock is left
    await load.stop();

    const dying = refusal(vault.backup(source()));
    await inTheMiddle();
    await server.kill();
    expect((await dying).code).toBe('TOOL_FAILED');
    expect(tools()).toEqual([]);
    expect(scratch()).toEqual([]);
    server = await startMariadb({ dir: join(home, 's'), options: { 'log-bin': 'bin', 'server-id': 7 } });
    expect(await vault.records()).toHaveLength(records);
  });

  test('S5 no argument and no environment of the tool holds the password', async () => {
    const work = vault.backup(source());
    const seen: string[] = [];
    const watch = (async () => {
      for (let i = 0; i < 400; i++) {
        for (const { words, variables } of processes()) if (words[0] === 'mariadb-backup') seen.push([...words, ...variables].join(' '));
        await pause(5);
        if (seen.length > 3) return;
      }
    })();
    await Promise.all([work, watch]);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.join()).not.toContain('secret');
    expect(readFileSync('/proc/self/cmdline', 'utf8')).not.toContain('secret');
  });
});

/** Until nothing is left to be written to the files. */
async function settled(): Promise<void> {
  await server.sql('SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0.001; SET GLOBAL innodb_max_dirty_pages_pct = 0');
  const dirty = async () => Number((await server.sql("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'"))[0]!['Value']);
  await expect.poll(dirty, { timeout: 30_000 }).toBe(0);
  await server.sql('FLUSH TABLES');
}
