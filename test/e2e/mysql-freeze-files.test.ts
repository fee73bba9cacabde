// A MariaDB whose files lie in many places: each is told, so that no image of some of them passes for all.
import { chmodSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { uncovered } from '../../src/engine/covered.ts';
import type { DatabasePlace } from '../../src/ports/database.ts';
import { mariaBench } from '../beds/maria-bench.ts';
import { seconds } from '../beds/sql-bench.ts';

describe('MariaDB 10.11 with files in many places', () => {
  const { quiescer, server, sql, dir, up } = mariaBench((home) => {
    for (const name of ['redo', 'binary', 'tables', 'aria', 'data', 'elsewhere']) mkdirSync(join(home, name));
    chmodSync(join(home, 'tables'), 0o777);
    // As administrators move a log to another disk.
    symlinkSync(join(home, 'redo'), join(home, 'redo-link'));
    return {
      'innodb-log-group-home-dir': join(home, 'redo-link'),
      'log-bin': join(home, 'binary/bin'),
      'aria-log-dir-path': join(home, 'aria'),
    };
  });

  const placesOf = async () => {
    const one = quiescer();
    const facts = await one.freeze(seconds(60));
    await one.thaw();
    const home = realpathSync(dir());
    const places = JSON.parse(facts['files/mysql']!) as readonly DatabasePlace[];
    const named = places.map((place) => ('path' in place ? `${place.holds}: ${place.path.slice(home.length)}` : place.unseen));
    return { facts, home, named: named.toSorted() };
  };

  it('A2 logs that were moved away are told where they are', async () => {
    const { facts, home, named } = await placesOf();
    expect(named).toEqual(['its Aria log: /aria', 'its binary log: /binary', 'its data: /data', 'its redo log: /redo']);
    const below =
      (...roots: readonly string[]) =>
      (path: string) =>
        roots.some((root) => path.startsWith(join(home, root)));
    expect(uncovered({ mysql: facts }, below('data', 'binary', 'aria'))).toBe(
      `mysql keeps its redo log in ${home}/redo, which is not in this backup`,
    );
    expect(uncovered({ mysql: facts }, below('data', 'redo', 'aria'))).toBe(
      `mysql keeps its binary log in ${home}/binary, which is not in this backup`,
    );
    expect(uncovered({ mysql: facts }, below('redo', 'binary', 'aria'))).toBe(
      `mysql keeps its data in ${home}/data, which is not in this backup`,
    );
    expect(uncovered({ mysql: facts }, below(''))).toBeUndefined();
  });

  it('A2 so are tables that were made with a DATA DIRECTORY, and databases that are links', async () => {
    await sql(`
      CREATE TABLE t.far (n INT) ENGINE=InnoDB DATA DIRECTORY='${join(dir(), 'tables')}';
      CREATE TABLE t.far_isam (n INT) ENGINE=MyISAM DATA DIRECTORY='${join(dir(), 'tables')}'`);
    await server().stop();
    symlinkSync(join(dir(), 'elsewhere'), join(dir(), 'data/moved'));
    await up();
    expect((await placesOf()).named).toEqual([
      'a tablespace: /tables/t',
      'its Aria log: /aria',
      'its binary log: /binary',
      'its data: /data',
      'its redo log: /redo',
      'tables: /elsewhere',
      'tables: /tables/far_isam.MYD',
    ]);
  });
});
