import { describe, expect, it } from 'vitest';
import { linesOf } from '../../../src/base/lines.ts';
import { shapeOf } from '../../../src/base/shape.ts';
import { createIdempotency } from '../../../src/rpc/idempotency.ts';
import { routes } from '../../../src/rpc/routes.ts';
import { BackupQuery, BackupRestore, PlanCreate, PoolBind, VaultCreate } from '../../../src/rpc/schemas.ts';

describe('faults of a request', () => {
  it('B1 are named in words for whoever wrote it', () => {
    const plan = shapeOf(PlanCreate);
    const vault = shapeOf(VaultCreate);
    expect(plan.fault({ name: 'p', source: { kind: 'files', paths: ['/a'] } })).toBeUndefined();
    expect(plan.fault({ name: 'p' })).toBe('the input lacks source');
    expect(plan.fault({ name: 'p', source: { kind: 'file', paths: ['/a'] } })).toBe(
      'source.kind must be files or disk or server or command or mysql or postgres or redis or bucket, not "file"',
    );
    expect(plan.fault({ name: 'p', source: { kind: 'files', paths: [1] } })).toBe('source.paths[0] must be string');
    expect(plan.fault({ name: 'p', source: { kind: 'disk', paths: [] } })).toContain('source.paths');
    expect(plan.fault({ name: 'p', source: { kind: 'disk', paths: ['/d'], excludes: [] } })).toBe('source has an unknown key excludes');
    expect(shapeOf(PoolBind).fault({ place: { type: 'nfs' } })).toBe('place.type must be local or s3, not "nfs"');
    expect(vault.fault({ capacityGb: 9 })).toBe('capacityGb must be >= 10');
    expect(vault.fault({ capacityGb: '100' })).toBe('capacityGb must be integer');
    expect(shapeOf(BackupRestore).fault({ target: { kind: 'files', path: '/t', overwrite: 'maybe' } })).toContain('target.overwrite');
  });

  it('M8 takes numbers out of a query string', () => {
    const query = shapeOf(BackupQuery);
    const value = query.convert({ limit: '5', state: 'available' });
    expect([value, query.fault(value)]).toEqual([{ limit: 5, state: 'available' }, undefined]);
    expect(query.fault(query.convert({ limit: 'many' }))).toContain('limit');
  });
});

describe('routes', () => {
  it('B1 are each one of a kind', () => {
    const lines = Object.values(routes).map(({ method, path }) => `${method} ${path}`);
    expect(new Set(lines).size).toBe(lines.length);
    expect(lines).toContain('POST /v1/backups/:id/restore');
  });
});

describe('idempotency', () => {
  const memory = () => {
    const kept = new Map<string, { fingerprint: string; status: number; body: string | null }>();
    return createIdempotency({
      get: (key) => kept.get(key),
      put: (key, answer) => void kept.set(key, answer),
      fingerprint: (text) => text,
    });
  };

  it('B11 does a request once, even if it is repeated while under way; failures may be tried again', async () => {
    const once = memory();
    let runs = 0;
    const request = { key: 'k', text: 'POST /x', once: false };
    const work = async () => ({ status: 202, body: { run: ++runs } });
    const both = await Promise.all([once(request, work), once(request, work)]);
    expect([both, await once(request, work), runs]).toEqual([[both[0], both[0]], both[0], 1]);
    await expect(once({ ...request, text: 'POST /y' }, work)).rejects.toThrow('another request');
    const failing = { ...request, key: 'f' };
    await expect(once(failing, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect((await once(failing, work)).status).toBe(202);
  });
});

describe('lines', () => {
  it('B11 come whole out of any pieces, and a broken stream is no end', async () => {
    const bytes = Buffer.from('{"a":"ü"}\r\nb\n\nlast');
    async function* pieces() {
      for (const byte of bytes) yield Buffer.of(byte);
    }
    expect(await Array.fromAsync(linesOf(pieces()))).toEqual(['{"a":"ü"}', 'b', '', 'last']);
    async function* broken() {
      yield Buffer.from('half');
      throw new Error('cut');
    }
    await expect(Array.fromAsync(linesOf(broken()))).rejects.toThrow('cut');
  });
});
