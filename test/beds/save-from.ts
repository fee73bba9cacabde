// A backup of a source, without a task around it.

import { expect } from 'vitest';
import { providers } from '../../src/agent/wiring.ts';
import { openBackend } from '../../src/backends/open.ts';
import { bandwidthLimit } from '../../src/base/limit.ts';
import { placing } from '../../src/model/place.ts';
import type { VaultAccess } from '../../src/model/task.ts';
import type { Snapshot } from '../../src/ports/snapshot.ts';
import type { Source, Warn } from '../../src/ports/source.ts';
import { formatMs, openRepository, type Saved } from '../../src/repository/repository.ts';
import { filesSource } from '../../src/sources/files/source.ts';
import { filesOf } from './vault.ts';

export interface SaveOptions {
  readonly parentTree?: string;
  readonly signal?: AbortSignal;
  /** Bytes a second that go into the pool; 0: as many as can. */
  readonly bandwidth?: number;
  /** Fails the test if not given. */
  readonly warn?: Warn;
  /** Called as bytes are read. */
  readonly onProgress?: () => void;
}

const failing: Warn = ({ item, detail }) => expect.fail(`${item}: ${detail}`);

/** Saves all that `top` is in the image, and writes a record of it. */
export async function saveFrom(
  top: string,
  snapshot: Snapshot,
  access: VaultAccess,
  { warn = failing, ...options }: SaveOptions = {},
): Promise<Saved & { readonly record: string }> {
  const source = await filesSource(filesOf(top), { warn, placeOf: placing(snapshot.places) });
  return saveSource(source, access, { warn, ...options });
}

/** Saves all that the source shows, and writes a record of it. */
export async function saveSource(
  source: Source,
  access: VaultAccess,
  { parentTree, signal = new AbortController().signal, bandwidth = 0, warn = failing, onProgress = () => undefined }: SaveOptions = {},
): Promise<Saved & { readonly record: string }> {
  const backend = await openBackend(providers, access, { limit: bandwidthLimit(bandwidth) });
  const keeper = { willWrite: async () => undefined, removed: async () => undefined };
  const vault = await openRepository(backend, access.password, { keeper });
  try {
    const lock = await vault.lock(false);
    try {
      await vault.loadIndex(false);
      const saved = await vault.save(lock, source, { mark: false, warn, signal, onProgress, ...(parentTree ? { parentTree } : {}) });
      const { paths } = source;
      const who = { hostname: 'host', username: 'root', uid: 0, gid: 0, programVersion: 'test' };
      const record = await vault.records.save(
        { time: formatMs(Date.now()), tree: saved.tree, paths, excludes: [], tags: [], ...who },
        lock,
      );
      return { ...saved, record };
    } finally {
      await lock.release();
    }
  } finally {
    await source.close();
    await vault.close();
  }
}
