// Damage made good by a full backup (its save marked every block that it relies upon): damaged blocks are found and hidden, the caller saves
// once more, which stores them again; then the broken packs go.
import { isCode } from '../base/errors.ts';
import { copyFinder } from './copies.ts';
import { addPack, saveIndexFile } from './index-file.ts';
import type { Lock } from './lock.ts';
import { decodeHeader, type PackedBlob } from './pack.ts';
import { rewritePacks } from './repack.ts';
import type { OpenState } from './vault-state.ts';
import { verifyEntries } from './verify.ts';

export interface Healing {
  /** Marked blobs of which no good copy is left: they are hidden, so that the next save stores them again. */
  readonly hidden: number;
  /** Names of packs that hold damage. */
  readonly broken: readonly string[];
}

/** Reads and proves every marked blob. Where another copy is sound, it takes the damaged one's place. */
export async function healDamage(state: OpenState, signal: AbortSignal): Promise<Healing> {
  const { index, packs } = state;
  const copies = copyFinder(() => index).all();
  const { damaged, broken } = await verifyEntries(state, markedEntries(state), signal);
  const others = [...damaged.keys()].flatMap((entry) => copies.get(entry) ?? []);
  const otherwise = await verifyEntries(state, others, signal);
  let hidden = 0;
  for (const entry of damaged.keys()) {
    const sound = copies.get(entry)?.find((copy) => !otherwise.damaged.has(copy));
    index.unmark(entry);
    if (sound !== undefined) {
      index.prefer(sound);
      index.mark(sound);
      continue;
    }
    index.hide(entry);
    hidden++;
  }
  return { hidden, broken: [...new Set([...broken, ...otherwise.broken])].map((pack) => packs.names[pack]!) };
}

function* markedEntries({ index }: OpenState): Generator<number> {
  for (let entry = 0; entry < index.count(); entry++) if (index.isMarked(entry)) yield entry;
}

/**
 * Takes packs out of the vault of which something is damaged: what is sound in them moves to new packs, the rest is lost to whoever needs
 * it, if nobody has stored it again. Under an exclusive lock, with the index freshly loaded; it is stale afterwards. Returns how many blobs
 * were left behind.
 */
export async function forgetBrokenPacks(state: OpenState, lock: Lock, names: readonly string[], signal: AbortSignal): Promise<number> {
  const numbers = names.map((name) => state.packs.numbers.get(name)).filter((pack) => pack !== undefined);
  const stored = new Set<string>();
  for await (const { name } of state.backend.list('data')) stored.add(name);
  let lost = 0;
  await rewritePacks(state, lock, {
    repack: numbers.filter((pack) => stored.has(state.packs.names[pack]!)),
    drop: numbers.filter((pack) => !stored.has(state.packs.names[pack]!)),
    unlisted: [],
    keeps: () => true,
    damaged: () => {
      lost++;
    },
    signal,
    onBytes: () => undefined,
  });
  return lost;
}

/** Enough for a header of some thousand blobs (bytes); more is read when it is longer. */
const tailSize = 256 << 10;

/**
 * Makes the index whole again after index files were damaged: packs that no readable file lists are listed by what their own headers say,
 * then the damaged files go. Under an exclusive lock, with the index loaded tolerantly. Returns the names of packs whose headers cannot
 * be read either.
 */
export async function rebuildIndex(state: OpenState, lock: Lock, damagedIndexes: readonly string[]): Promise<string[]> {
  const { backend, packs, index } = state;
  const unreadable: string[] = [];
  const numbers: number[] = [];
  for await (const { name, size } of backend.list('data')) {
    if (packs.numbers.has(name)) continue;
    const blobs = await readHeader(state, name, size);
    if (!blobs) {
      unreadable.push(name);
      continue;
    }
    const number = addPack(packs, name, { first: index.count(), count: blobs.length }, '');
    for (const { id, type, offset, length, plainLength } of blobs)
      index.add(id, type === 'tree', { pack: number, offset, length, plainLength });
    numbers.push(number);
  }
  if (numbers.length > 0) {
    await lock.prove();
    await saveIndexFile(backend, numbers, packs, index, state.cipher, state.config.version);
  }
  await lock.prove();
  for (const name of damagedIndexes) await backend.remove('index', name);
  return unreadable;
}

async function readHeader({ backend, cipher }: OpenState, name: string, size: number): Promise<readonly PackedBlob[] | undefined> {
  const tail = (length: number) => backend.load('data', name, { offset: size - length, length });
  try {
    const first = decodeHeader(await tail(Math.min(size, tailSize)), size, name, cipher);
    if (!('need' in first)) return first;
    const second = decodeHeader(await tail(first.need), size, name, cipher);
    return 'need' in second ? undefined : second;
  } catch (error) {
    if (!isCode(error, 'REPO_DAMAGED', 'BACKEND_SHORT')) throw error;
    return undefined;
  }
}
