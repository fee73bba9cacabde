import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { faulty } from '../../../src/backends/faulty.ts';
import { memoryBackend } from '../../../src/backends/memory.ts';
import { failure } from '../../../src/base/errors.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import { makeVault, memorySource, smallPacks } from '../../beds/vaults.ts';

const quiet = new AbortController().signal;

async function save(vault: Repository, content: Buffer) {
  const lock = await vault.lock(false);
  try {
    await vault.loadIndex();
    return await vault.save(lock, memorySource({ content }), {
      mark: false,
      warn: () => undefined,
      onProgress: () => undefined,
      signal: quiet,
    });
  } finally {
    await lock.release();
  }
}

describe('saving a stream', () => {
  it('P7 a stream larger than what may be under way at a time comes through', async () => {
    const vault = await makeVault(memoryBackend(), { ...smallPacks, packSize: 16 << 20 });
    const content = randomBytes(80 << 20);
    const { tree, summary } = await save(vault, content);
    expect(summary.totalBytes).toBe(content.length);
    const reader = vault.reader(quiet);
    for await (const node of reader.tree(tree)) {
      let at = 0;
      for await (const bytes of reader.stream(node.content!)) {
        expect(bytes.equals(content.subarray(at, at + bytes.length))).toBe(true);
        at += bytes.length;
      }
      expect(at).toBe(content.length);
    }
    await reader.close();
  });

  it('P7 when the pool fails the save ends with what the pool said, whatever is still under way', async () => {
    let packs = 0;
    const backend = faulty(memoryBackend(), ({ operation, kind }) => {
      const fails = operation === 'save' && kind === 'data' && ++packs > 3;
      return fails ? { type: 'fail', error: failure('POOL_FULL', { location: 'memory' }) } : undefined;
    });
    const vault = await makeVault(backend);
    await expect(save(vault, randomBytes(8 << 20))).rejects.toMatchObject({ code: 'POOL_FULL' });
  });
});
