// Readers and a prune that begins at the very same moment: neither has seen the other's lock when it wrote its own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localBackend } from '../../../src/backends/local.ts';
import type { Backend } from '../../../src/ports/backend.ts';
import { openRepository } from '../../../src/repository/repository.ts';
import { filesOf, intoFolder, testVault, type Vault } from '../../beds/vault.ts';

const root = mkdtempSync(join(tmpdir(), 'readers-'));
const password = 'password of the agent';
let vault: Vault;
let record: string;
let exclusive: { readonly name: string; readonly bytes: Buffer };

beforeAll(async () => {
  vault = testVault(join(root, 'pool'), 'v/a', password);
  await vault.create('recovery');
  writeFileSync(join(root, 'file'), 'some content');
  record = (await vault.backup(filesOf(join(root, 'file')))).id;
  const backend = localBackend({ root: join(root, 'pool'), path: 'v/a' });
  const other = await openRepository(backend, password);
  const lock = await other.lock(true);
  exclusive = { name: lock.name, bytes: await backend.load('locks', lock.name) };
  await lock.release();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Somebody's exclusive lock becomes visible just after ours was written. */
const atTheSameMoment = (backend: Backend): Backend => ({
  ...backend,
  save: async (kind, name, bytes) => {
    await backend.save(kind, name, bytes);
    if (kind === 'locks') await backend.save('locks', exclusive.name, exclusive.bytes);
  },
});

describe('P7 readers beside a prune that began at the same moment', () => {
  it.each([
    ['ls', () => ({ type: 'ls', record: record, path: '/', recursive: true }) as const],
    ['find', () => ({ type: 'find', records: [record], patterns: ['*'] }) as const],
    ['diff', () => ({ type: 'diff', from: record, to: record }) as const],
    ['cat', () => ({ type: 'cat', record: record, path: join(root, 'file') }) as const],
    ['check', () => ({ type: 'check', readData: true }) as const],
    ['scan', () => ({ type: 'vault-scan' }) as const],
    ['dry prune', () => ({ type: 'prune', dryRun: true, maxUnusedPercent: 0 }) as const],
    ['restore', () => ({ type: 'restore', record: record, target: intoFolder(join(root, 'r')), dryRun: true }) as const],
  ])('P7 %s gives way before it tells anything', async (_, spec) => {
    const backend = localBackend({ root: join(root, 'pool'), path: 'v/a' });
    let told = '';
    const running = vault.run(spec(), { wrapBackend: atTheSameMoment }).then(({ output }) => {
      told = output.toString();
    });
    await expect(running).rejects.toMatchObject({ code: 'REPO_LOCKED' });
    expect(told).toBe('');
    expect((await Array.fromAsync(backend.list('locks'))).map(({ name }) => name)).toEqual([exclusive.name]);
    await backend.remove('locks', exclusive.name);
    expect(await vault.run(spec())).toMatchObject({ warnings: 0 });
  });
});
