// The face of the repository: everything above this floor knows only what is exported here.
import { setTimeout as sleepFor } from 'node:timers/promises';
import { fail, isCode } from '../base/errors.ts';
import { backgroundLane } from '../base/lane.ts';
import { systemClock } from '../base/system-clock.ts';
import type { Node } from '../model/node.ts';
import type { CheckReport, KeyInfo, PruneReport } from '../model/task.ts';
import type { Backend } from '../ports/backend.ts';
import type { BlobId } from '../ports/blob.ts';
import type { Source, Warn } from '../ports/source.ts';
import { blobIndex, createSharedIndex } from './blob-index.ts';
import { type CheckOptions, checkRepository } from './check.ts';
import { cipherOf, generateMasterKey } from './crypto.ts';
import { emptyPackTable, loadIndexFile } from './index-file.ts';
import { addKey, listKeys, openKey, type PasswordKind } from './key.ts';
import { type VaultReader, vaultReader } from './load.ts';
import { type Lock, type LockKeeper, takeLock, type Unlocking, unlock } from './lock.ts';
import { type PruneOptions, pruneRepository } from './prune.ts';
import { type BlobReader, blobReader } from './read-blob.ts';
import { decodeRecord, encodeRecord, type RecordFile } from './record.ts';
import { readRecords } from './records.ts';
import { forgetBrokenPacks, healDamage, rebuildIndex } from './repair.ts';
import { createConfig, decodeConfig, readConfigFile } from './repo-config.ts';
import { retainUsed } from './retain.ts';
import { type Saved, type SaveOptions, saveSource } from './save.ts';
import { readTree } from './tree-store.ts';
import { loadFile, saveFile } from './unpacked.ts';
import type { OpenState, RepositoryOptions } from './vault-state.ts';
import { defaultWorkers } from './worker-pool.ts';

export { formatTime } from './go-time.ts';
export type { VaultReader } from './load.ts';
export type { Lock, LockKeeper } from './lock.ts';
export type { RecordFile } from './record.ts';
export { formatMs, recordInfo, tagsOf } from './record.ts';
export type { Saved } from './save.ts';
export type { RepositoryOptions } from './vault-state.ts';

const nobody: LockKeeper = { willWrite: async () => undefined, removed: async () => undefined };

export const defaultOptions: RepositoryOptions = {
  clock: systemClock,
  keeper: nobody,
  sleep: (ms) => sleepFor(ms),
  compression: 'auto',
  workers: defaultWorkers,
  packSize: 16 << 20,
  flushBlobs: 50_000,
  flushEvery: 120_000,
};

/**
 * Makes a repository with one key per password. Throws REPO_EXISTS when there is a config, a key or a record already.
 */
export async function createRepository(
  backend: Backend,
  passwords: readonly { readonly password: string; readonly kind: PasswordKind }[],
  options: Partial<RepositoryOptions> = {},
): Promise<Repository> {
  const all = { ...defaultOptions, ...options };
  for (const kind of ['config', 'keys', 'snapshots'] as const)
    for await (const _ of backend.list(kind)) fail('REPO_EXISTS', { location: backend.location });
  const master = generateMasterKey();
  const ids: string[] = [];
  for (const { password, kind } of passwords) ids.push(await addKey(backend, master, password, kind, all.clock.now()));
  const cipher = cipherOf(master);
  const config = await createConfig(backend, cipher); // last: from here on it is a repository
  return repository({
    backend,
    options: all,
    config,
    master,
    keyId: ids[0]!,
    cipher,
    index: blobIndex(createSharedIndex(0)),
    packs: emptyPackTable(),
  });
}

/** Opens a repository. Throws REPO_NOT_FOUND, REPO_WRONG_KEY, REPO_VERSION, REPO_CONFIG. */
export async function openRepository(backend: Backend, password: string, options: Partial<RepositoryOptions> = {}): Promise<Repository> {
  const bytes = await readConfigFile(backend);
  const { id, master } = await openKey(backend, password);
  const cipher = cipherOf(master);
  const config = decodeConfig(bytes, cipher, backend.location);
  const all = { ...defaultOptions, ...options };
  return repository({
    backend,
    options: all,
    config,
    master,
    keyId: id,
    cipher,
    index: blobIndex(createSharedIndex(0)),
    packs: emptyPackTable(),
  });
}

export type Repository = ReturnType<typeof repository>;

function repository(state: OpenState) {
  const { backend, options, cipher, config } = state;
  const lockDeps = { backend, cipher, version: config.version, clock: options.clock, keeper: options.keeper, sleep: options.sleep };
  let blobs: BlobReader = blobReader(state);
  const brokenPacks = new Set<string>();
  let damagedIndexes: { readonly name: string; readonly error: unknown }[] = [];
  let loadedBlobs = 0;

  const loadIndex = async (tolerant = false): Promise<void> => {
    const files: { name: string; size: number }[] = [];
    for await (const file of backend.list('index')) files.push(file);
    // An entry takes some 45 bytes of compressed index: ids do not compress.
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    state.index = blobIndex(createSharedIndex(Math.ceil(bytes / 45)));
    state.packs = emptyPackTable();
    damagedIndexes = [];
    blobs = blobReader(state);
    const lane = backgroundLane(backend.connections);
    for (const { name } of files.sort((a, b) => (a.name < b.name ? -1 : 1)))
      lane.add(async () => {
        try {
          await loadIndexFile(backend, name, cipher, state.index, state.packs);
        } catch (error) {
          if (isCode(error, 'BACKEND_NOT_FOUND')) return; // a prune beside a reader
          if (!tolerant || !isCode(error, 'REPO_DAMAGED', 'BACKEND_SHORT')) throw error;
          damagedIndexes.push({ name, error });
        }
      });
    await lane.idle();
    loadedBlobs = state.index.count();
  };

  return {
    id: config.id,
    version: config.version,
    location: backend.location,
    state,

    keys: {
      list: (): Promise<KeyInfo[]> => listKeys(backend, state.keyId),
      add: (password: string, kind: PasswordKind): Promise<string> => addKey(backend, state.master, password, kind, options.clock.now()),
      /** Throws REPO_LAST_KEY for the key in use, NOT_FOUND, AMBIGUOUS_ID. */
      remove: async (prefix: string): Promise<void> => {
        const found = (await listKeys(backend, state.keyId)).filter((key) => key.id.startsWith(prefix));
        if (found.length === 0) fail('KEY_NOT_FOUND', { id: prefix });
        if (found.length > 1) fail('AMBIGUOUS_ID', { what: 'key', id: prefix, count: found.length });
        if (found[0]!.current) fail('REPO_LAST_KEY', { id: prefix });
        await backend.remove('keys', found[0]!.id);
      },
    },

    /** Throws REPO_LOCKED. With `patience` (ms) it is tried again until then. */
    lock: async (exclusive: boolean, patience = 0): Promise<Lock> => {
      const until = options.clock.boottime() + patience;
      for (;;) {
        try {
          const lock = await takeLock(lockDeps, exclusive);
          if (exclusive) await lock.settled;
          return lock;
        } catch (error) {
          if (!isCode(error, 'REPO_LOCKED') || options.clock.boottime() >= until) throw error;
          await options.sleep(2000);
        }
      }
    },
    /**
     * For who only reads. A pool that is full, or that may not be written to, is read without a lock: then a prune elsewhere may take away
     * what is being read, and `warn` is told so.
     */
    lockToRead: async (warn: Warn): Promise<Pick<Lock, 'settled' | 'release'>> => {
      try {
        return await takeLock(lockDeps, false);
      } catch (error) {
        if (!isCode(error, 'POOL_FULL', 'POOL_NO_RIGHT')) throw error;
        warn({ item: backend.location, detail: `it is read without a lock: ${(error as Error).message}` });
        return { settled: Promise.resolve(), release: async () => undefined };
      }
    },
    /** When the pool took the lock's file (ms since the epoch), by its own clock; undefined where it cannot say. */
    lockedAt: async (lock: Lock): Promise<number | undefined> => backend.dateOf?.('locks', lock.name),
    unlock: (what: Unlocking): Promise<string[]> => unlock(lockDeps, what),

    /** Reads all index files; call it after taking the lock. `tolerant`: damaged ones are left out (check names them). */
    loadIndex,

    records: {
      /** All readable records, oldest first; what cannot be read is told to `onDamage`. */
      list: (
        onDamage: (name: string, error: unknown) => void = (_, error) => fail('INTERNAL', {}, { cause: error }),
      ): Promise<RecordFile[]> => readRecords(state, onDamage),
      load: async (id: string): Promise<RecordFile> => decodeRecord(await loadFile(backend, 'snapshots', id, cipher), id),
      /** Writes the record: from now on the backup exists. The lock is proven first. Returns its id. */
      save: async (record: Omit<RecordFile, 'id' | 'timeMs'>, lock: Lock): Promise<string> => {
        await lock.prove();
        return saveFile(backend, 'snapshots', encodeRecord(record), cipher, config.version);
      },
      /** Throws VAULT_IMMUTABLE. */
      remove: (id: string): Promise<void> => backend.remove('snapshots', id),
      /** Those of the records that nobody can remove yet. */
      locked: async (ids: readonly string[]): Promise<string[]> => {
        const held = await Promise.all(ids.map(async (id) => (await backend.locking?.lockedUntil('snapshots', id)) ?? 0));
        return ids.filter((_, i) => held[i]! > 0);
      },
    },

    /** Locks what the last save relies on, where the store does that; see retain.ts. */
    retain: (signal: AbortSignal): Promise<number> => retainUsed(state, loadedBlobs, signal),
    save: (lock: Lock, source: Source, save: SaveOptions): Promise<Saved> => saveSource(state, lock, blobs, source, save),
    reader: (signal: AbortSignal, onBytes: (bytes: number) => void = () => undefined): VaultReader =>
      vaultReader(state, blobs, signal, onBytes),
    tree: (id: BlobId): AsyncGenerator<Node> => readTree(state, blobs, id),

    check: (check: CheckOptions): Promise<CheckReport> => checkRepository(state, blobs, damagedIndexes, check),
    /** Under an exclusive lock (a dry run: any), with the index loaded; it is loaded anew afterwards. */
    prune: async (lock: Lock, prune: PruneOptions): Promise<PruneReport> => {
      const report = await pruneRepository(state, blobs, damagedIndexes, lock, prune);
      if (!prune.dryRun) await loadIndex();
      return report;
    },
    /**
     * Verifies every marked block and takes damaged ones out of the index in memory; returns how many, so that the caller saves again.
     * The packs that hold damage are remembered for forgetBroken.
     */
    heal: async (signal: AbortSignal): Promise<number> => {
      const { hidden, broken } = await healDamage(state, signal);
      for (const name of broken) brokenPacks.add(name);
      return hidden;
    },
    /**
     * After a save that followed heal, under an exclusive lock: lists again what damaged index files listed, and takes broken packs out of
     * the vault, all that is sound in them kept. Loads the index before and after. Without it readers use the good copies all the same.
     */
    forgetBroken: async (lock: Lock, signal: AbortSignal): Promise<void> => {
      await loadIndex(true);
      if (damagedIndexes.length > 0) {
        await rebuildIndex(
          state,
          lock,
          damagedIndexes.map(({ name }) => name),
        );
        await loadIndex();
      }
      if (brokenPacks.size === 0) return;
      await forgetBrokenPacks(state, lock, [...brokenPacks], signal);
      brokenPacks.clear();
      await loadIndex();
    },
    /** Whether forgetBroken has something to do. */
    isBroken: (): boolean => brokenPacks.size + damagedIndexes.length > 0,

    /** Bytes of the blocks that the loaded index lists: what the backups take, without asking the pool. */
    indexedBytes: (): number => state.index.totalLength(),
    /** Bytes of everything stored. */
    size: async (): Promise<number> => {
      let bytes = 0;
      for (const kind of ['data', 'index', 'snapshots', 'keys'] as const) for await (const file of backend.list(kind)) bytes += file.size;
      return bytes;
    },
    close: (): Promise<void> => backend.close(),
  };
}
