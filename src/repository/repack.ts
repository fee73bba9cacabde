// Packs taken out of the vault: what is needed of them moves to new packs first. The order is restic's, so that a crash at any point leaves
// at worst unlisted packs and blobs that are there twice: new packs → new index files → old index files go → old packs go.
// Source: restic doc/design.rst "Read and Write Ordering".
import { fail, isCode } from '../base/errors.ts';
import { backgroundLane, gate } from '../base/lane.ts';
import type { Backend, FileKind } from '../ports/backend.ts';
import { blobIndex, createSharedIndex } from './blob-index.ts';
import { emptyPackTable, entriesOf, saveIndexFile } from './index-file.ts';
import type { Lock } from './lock.ts';
import { blobsToLoad, ownMemory, packRanges } from './pack-ranges.ts';
import { uploader } from './uploader.ts';
import type { OpenState } from './vault-state.ts';
import { within } from './verifiers.ts';
import type { WorkerPool } from './worker-pool.ts';
import { createCredits, startWorkers } from './workers.ts';

export interface Rewrite {
  /** Packs whose kept blobs move to new packs; then they go. */
  readonly repack: readonly number[];
  /** Packs that go as they are. */
  readonly drop: readonly number[];
  /** Stored packs that no index lists; they go too. */
  readonly unlisted: readonly string[];
  /** Which entries of packs to repack are kept. */
  keeps(entry: number): boolean;
  /** Told of kept blobs that turn out to be damaged; it may throw, and then nothing has been removed. */
  damaged(entry: number, detail: string): void;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

/** Bytes loaded at a time. */
const inFlight = 64 << 20;
/** Index files that list fewer blobs are merged when there are at least so many of them; a new one lists up to `fullIndex`. */
const smallIndex = 5_000;
const smallIndexesAtLeast = 10;
const fullIndex = 50_000;
/** The lock is proven again after so many removals. */
const removalsPerProof = 500;

/** Under an exclusive lock. The index in memory is stale afterwards. Returns the bytes of the new packs. */
export async function rewritePacks(state: OpenState, lock: Lock, rewrite: Rewrite): Promise<number> {
  const written = rewrite.repack.length > 0 ? await moveBlobs(state, lock, rewrite) : 0;
  rewrite.signal.throwIfAborted();
  const gone = new Set([...rewrite.repack, ...rewrite.drop]);
  const obsolete = obsoleteIndexes(state, gone);
  await writeIndexes(state, lock, obsolete, gone);
  rewrite.signal.throwIfAborted();
  await removeAll(state, lock, 'index', [...obsolete]);
  await removeAll(state, lock, 'data', [...[...gone].map((pack) => state.packs.names[pack]!), ...rewrite.unlisted]);
  return written;
}

/** Into an index of its own: the vault's knows these blobs already, and `claim` would take none. */
async function moveBlobs(state: OpenState, lock: Lock, rewrite: Rewrite): Promise<number> {
  const { signal } = rewrite;
  const moves = rewrite.repack.map((pack) => ({ pack, entries: entriesOf(state.packs, pack).filter(rewrite.keeps) }));
  const expected = moves.reduce((sum, move) => sum + move.entries.length, 0);
  const fresh: OpenState = { ...state, index: blobIndex(createSharedIndex(expected)), packs: emptyPackTable() };
  const stop = () => void pool.close();
  const upload = uploader(fresh, lock, stop);
  const pool = startWorkers(fresh, createCredits(), (pack) => upload.take(pack, () => pool.release()));
  signal.addEventListener('abort', stop);
  try {
    const room = gate(inFlight);
    const lane = backgroundLane(Math.max(2, state.backend.connections));
    for (const { pack, entries } of moves)
      for (const range of packRanges(state.index, entries))
        lane.add(() => within(room, range.length, signal, () => moveRange(state, pool, pack, range, rewrite)));
    await lane.idle();
    await pool.flush();
    await upload.finish();
    return upload.bytes;
  } catch (error) {
    signal.throwIfAborted();
    throw upload.error ?? error;
  } finally {
    signal.removeEventListener('abort', stop);
    await pool.close();
  }
}

type Range = ReturnType<typeof packRanges>[number];

async function moveRange(state: OpenState, pool: WorkerPool, pack: number, range: Range, rewrite: Rewrite): Promise<void> {
  const { index, packs, backend } = state;
  const take = async (entries: readonly number[], offset: number, length: number) => {
    const bytes = await backend.load('data', packs.names[pack]!, { offset, length });
    return pool.run({ type: 'repack', bytes, blobs: blobsToLoad(index, entries, offset) }, ownMemory(bytes));
  };
  /** Read alone, and again, before it is called damaged: a bit may also flip on the way here. */
  const takeAlone = async (entry: number) => {
    const { offset, length } = index.location(entry);
    try {
      const { damaged } = await take([entry], offset, length);
      if (damaged[0]) rewrite.damaged(entry, damaged[0].detail);
    } catch (error) {
      if (!isCode(error, 'BACKEND_SHORT', 'BACKEND_NOT_FOUND')) throw error;
      rewrite.damaged(entry, (error as Error).message);
    }
  };
  let again: readonly number[];
  try {
    const { damaged } = await take(range.entries, range.offset, range.length);
    again = damaged.map(({ number }) => range.entries[number]!);
  } catch (error) {
    if (!isCode(error, 'BACKEND_SHORT', 'BACKEND_NOT_FOUND')) throw error;
    again = range.entries;
  }
  for (const entry of again) await takeAlone(entry);
  rewrite.onBytes(range.length);
}

/** Index files that list a pack that goes or one that another file lists too, and small ones worth merging. */
function obsoleteIndexes({ packs }: OpenState, gone: ReadonlySet<number>): Set<string> {
  const obsolete = new Set<string>();
  const counts = new Map<string, number>([...packs.files].map((name) => [name, 0]));
  packs.names.forEach((_, pack) => {
    const count = entriesOf(packs, pack).length;
    for (const file of filesOf(packs, pack)) {
      if (gone.has(pack) || packs.alsoIn.has(pack)) obsolete.add(file);
      counts.set(file, (counts.get(file) ?? 0) + count);
    }
  });
  const small = [...counts].filter(([, count]) => count < smallIndex).map(([name]) => name);
  if (small.length >= smallIndexesAtLeast) for (const name of small) obsolete.add(name);
  return obsolete;
}

const filesOf = (packs: OpenState['packs'], pack: number): string[] => [packs.indexOf[pack]!, ...(packs.alsoIn.get(pack) ?? [])];

/** The packs of obsolete index files that stay are listed anew, each whole in one file. */
async function writeIndexes(state: OpenState, lock: Lock, obsolete: ReadonlySet<string>, gone: ReadonlySet<number>): Promise<void> {
  const { packs } = state;
  let batch: number[] = [];
  let blobs = 0;
  const flush = async () => {
    if (batch.length === 0) return;
    await lock.prove();
    await saveIndexFile(state.backend, batch, packs, state.index, state.cipher, state.config.version);
    batch = [];
    blobs = 0;
  };
  const stays = packs.names
    .map((_, pack) => pack)
    .filter((pack) => !gone.has(pack) && filesOf(packs, pack).some((file) => obsolete.has(file)));
  for (const pack of stays) {
    batch.push(pack);
    blobs += entriesOf(packs, pack).length;
    if (blobs >= fullIndex) await flush();
  }
  await flush();
}

async function removeAll({ backend }: OpenState, lock: Lock, kind: FileKind, names: readonly string[]): Promise<void> {
  for (let at = 0; at < names.length; at += removalsPerProof) {
    await lock.prove();
    const lane = backgroundLane(Math.max(2, backend.connections));
    for (const name of names.slice(at, at + removalsPerProof)) lane.add(() => removeOrHide(backend, kind, name));
    await lane.idle();
  }
}

/** Where files are locked an old index file is hidden, as it would list what is gone; a pack stays where it is, and nobody lists it. */
async function removeOrHide(backend: Backend, kind: FileKind, name: string): Promise<void> {
  if (backend.locking && kind === 'index') return backend.locking.hide(kind, name);
  try {
    await backend.remove(kind, name);
  } catch (error) {
    if (!isCode(error, 'VAULT_IMMUTABLE')) throw error;
  }
}

/** For rewrites that must not lose anything. */
export function refuseDamage(state: OpenState): (entry: number, detail: string) => never {
  return (entry, detail) => {
    const kind = state.index.isTree(entry) ? 'tree' : 'block';
    return fail('REPO_DAMAGED', { kind, name: state.index.idOf(entry).toString('hex'), detail });
  };
}
