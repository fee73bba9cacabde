// A MariaDB with tables of every engine and a user for the freezer, for all tests of one description.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type SqlServer, startMariadb } from './mariadb.ts';
import { freePort } from './programs.ts';
import { password, type SqlBench, sqlBench } from './sql-bench.ts';

export interface MariaBench extends SqlBench {
  readonly server: () => SqlServer;
  readonly sql: SqlServer['sql'];
  /** It listens there, at 127.0.0.1, too. */
  readonly port: () => number;
  readonly dir: () => string;
  /** Starts it (again, after it was killed or stopped). */
  up(): Promise<void>;
}

/** One each. */
export const tables: readonly string[] = ['t.innodb', 't.myisam', 't.aria', 't.plain_aria', 't.csv'];

/** To be called where tests are described. `more`: lines of my.cnf; called in the server's empty directory. */
export function mariaBench(more: (dir: string) => Readonly<Record<string, string | number>> = () => ({})): MariaBench {
  let dir: string;
  let port: number;
  let server: SqlServer;
  let options: Readonly<Record<string, string | number>>;

  const up = async () => {
    server = await startMariadb({ dir, options: { 'log-bin': 'bin', 'sync-binlog': 1, port, 'innodb-log-file-size': '8M', ...options } });
  };
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mysql-freeze-'));
    port = await freePort();
    options = more(dir);
    await up();
    await server.sql(`
      CREATE DATABASE t;
      CREATE TABLE t.innodb (n INT) ENGINE=InnoDB; CREATE TABLE t.myisam (n INT) ENGINE=MyISAM; CREATE TABLE t.csv (n INT NOT NULL) ENGINE=CSV;
      CREATE TABLE t.aria (n INT) ENGINE=Aria; CREATE TABLE t.plain_aria (n INT) ENGINE=Aria TRANSACTIONAL=0;
      CREATE USER stillpoint IDENTIFIED BY '${password}'; GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO stillpoint;
      CREATE USER weak IDENTIFIED BY '${password}'; GRANT SELECT, PROCESS ON *.* TO weak`);
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  return {
    ...sqlBench(() => server),
    server: () => server,
    sql: (text) => server.sql(text),
    port: () => port,
    dir: () => dir,
    up,
  };
}
