import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../../src/state/database.ts';
import type { PoolRow } from '../../../src/state/pools.ts';
import { openState, type State } from '../../../src/state/state.ts';
import { contains, equals } from '../../../src/state/table.ts';

let home: string;
let state: State;
const path = () => join(home, 'agent.db');
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'stillpoint-state-'));
  state = openState(path());
});
afterEach(() => {
  state.close();
  rmSync(home, { recursive: true });
});

const pool = (id: string, name: string): PoolRow => ({
  id,
  name,
  remark: '',
  place: { type: 'local', path: `/${name}` },
  credentials: null,
  bandwidth: 0,
  state: 'online',
  stateDetail: '',
  checkedAt: 1,
  createdAt: 1,
  updatedAt: 1,
});

describe('state', () => {
  it('B11 survives being closed, keeps its identity, and is its owner’s only', () => {
    const { agentId } = state;
    state.pools.insert(pool('aaaa1111', 'one'));
    state.close();
    state = openState(path());
    expect(state.agentId).toBe(agentId);
    expect(state.pools.find('one')).toEqual(pool('aaaa1111', 'one'));
    for (const file of ['agent.db', 'agent.db-wal']) expect(statSync(join(home, file)).mode & 0o777).toBe(0o600);
  });

  it('B4 finds by ID, by name and by a beginning of four characters, and says what is ambiguous', () => {
    state.pools.insert(pool('aaaa1111', 'one'));
    state.pools.insert(pool('aaaa2222', 'two'));
    expect(state.pools.find('aaaa1').name).toBe('one');
    expect(() => state.pools.find('aaaa')).toThrow('aaaa matches 2 pools');
    expect(() => state.pools.find('aaa')).toThrow('no pool named aaa');
    expect(() => state.pools.find('aa%')).toThrow('no pool named');
  });

  it('M8 filters and pages', () => {
    for (let i = 0; i < 5; i++) state.pools.insert(pool(`id-${i}`, `p${i}`));
    state.pools.insert(pool('other', '100%'));
    const first = state.pools.page({ filters: [contains('name', 'P')], limit: 2 });
    expect([first.items.map((item) => item.name), first.total, first.nextCursor]).toEqual([['p0', 'p1'], 5, '2']);
    const last = state.pools.page({ filters: [contains('name', 'P')], limit: 2, cursor: '4' });
    expect([last.items.map((item) => item.name), last.nextCursor]).toEqual([['p4'], null]);
    expect(state.pools.where([contains('name', '%')]).map((item) => item.id)).toEqual(['other']);
    expect(() => state.pools.page({ filters: [], cursor: 'x' })).toThrow('no cursor');
  });

  it('B11 undoes a failed transaction, the outer part too only if it fails itself', () => {
    state.transaction(() => {
      state.pools.insert(pool('a', 'a'));
      expect(() =>
        state.transaction(() => {
          state.pools.insert(pool('b', 'b'));
          throw new Error('no');
        }),
      ).toThrow('no');
    });
    expect(state.pools.count([equals('id', 'a')])).toBe(1);
    expect(state.pools.count()).toBe(1);
  });

  it('B11 remembers lock names until they are removed', () => {
    const lock = { vaultId: 'v', name: 'n', taskId: 't', bootId: 'b', createdAt: 7 };
    state.locks.add(lock);
    expect(state.locks.ofTask('t').map((row) => ({ ...row }))).toEqual([lock]);
    state.locks.remove('v', 'n');
    expect(state.locks.all()).toEqual([]);
  });

  it('B11 keeps answers for 24 hours', () => {
    const day = 24 * 3600 * 1000;
    state.idempotency.put('k', { fingerprint: 'f', status: 202, body: '{}' }, 1000);
    expect(state.idempotency.get('k', day)?.status).toBe(202);
    expect(state.idempotency.get('k', day + 1001)).toBeUndefined();
  });
});

describe('migrations', () => {
  it('B11 runs only what is new, and leaves the database of a newer agent alone', () => {
    const file = join(home, 'other.db');
    openDatabase(file, ['CREATE TABLE a (x INTEGER)']).close();
    const database = openDatabase(file, ['CREATE TABLE a (x INTEGER)', 'CREATE TABLE b (x INTEGER)']);
    database.run('INSERT INTO b VALUES (1)');
    database.close();
    expect(() => openDatabase(file, ['CREATE TABLE a (x INTEGER)'])).toThrow('has version 2; this agent knows up to 1');
    expect(() => openDatabase(file, ['', '', 'CREATE TABLE c (x INTEGER); nonsense'])).toThrow('is damaged');
    const again = openDatabase(file, ['', '', 'CREATE TABLE c (x INTEGER)']);
    expect(again.get('SELECT x FROM b')).toEqual(expect.objectContaining({ x: 1 }));
    again.close();
  });
});
