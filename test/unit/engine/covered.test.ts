import { describe, expect, it } from 'vitest';
import { uncovered } from '../../../src/engine/covered.ts';

const below =
  (...roots: readonly string[]) =>
  (path: string) =>
    roots.some((root) => path === root || path.startsWith(`${root}/`));

const keeps = (database: string, ...places: readonly Readonly<Record<string, string>>[]) => ({
  [`files/${database}`]: JSON.stringify(places),
});

describe('whether everything that was frozen is in the backup', () => {
  const mysql = keeps('mysql', { holds: 'its data', path: '/srv/db' }, { holds: 'its redo log', path: '/fast/log' });

  it('A2 a database whose places are all in the backup is covered; facts of other kinds do not matter', () => {
    expect(uncovered({ mysql: { position: 'exact', ...mysql } }, below('/srv', '/fast'))).toBeUndefined();
    expect(uncovered({ 'file system /srv': {}, own: { files: '/elsewhere' } }, below())).toBeUndefined();
    expect(uncovered({}, below())).toBeUndefined();
  });

  it('A2 what lies elsewhere is named with its place, whichever script froze it', () => {
    expect(uncovered({ shop: mysql }, below('/srv'))).toBe('mysql keeps its redo log in /fast/log, which is not in this backup');
    expect(uncovered({ shop: mysql }, below('/fast'))).toBe('mysql keeps its data in /srv/db, which is not in this backup');
    expect(uncovered({ shop: mysql }, below('/s'))).toBe(
      'mysql keeps its data in /srv/db and its redo log in /fast/log, which are not in this backup',
    );
  });

  it('A2 what nobody sees is not covered, and every database is told', () => {
    const facts = { all: { ...mysql, ...keeps('postgres', { holds: 'its data', unseen: 'it runs on db.example' }) } };
    expect(uncovered(facts, below('/srv'))).toBe(
      'mysql keeps its redo log in /fast/log, which is not in this backup; cannot see where postgres keeps its data: it runs on db.example',
    );
    expect(uncovered({ all: keeps('postgres', { holds: 'its data', unseen: 'it runs on db.example' }) }, () => true)).toBe(
      'cannot see where postgres keeps its data: it runs on db.example',
    );
  });

  it('A2 thousands of tablespaces make no endless reason', () => {
    const spaces = Array.from({ length: 1000 }, (_, i) => ({ holds: 'a tablespace', path: `/t/${i}` }));
    expect(uncovered({ mysql: keeps('mysql', ...spaces) }, below())).toBe(
      'mysql keeps a tablespace in /t/0, a tablespace in /t/1, a tablespace in /t/2 and 997 more, which are not in this backup',
    );
  });
});
