// One pack proven whole: the hash is the name, the header says what the index says, every blob opens and is what its id says.
import { isCode } from '../base/errors.ts';
import { entriesOf } from './index-file.ts';
import { decodeHeader } from './pack.ts';
import { blobsToLoad, ownMemory } from './pack-ranges.ts';
import type { OpenState } from './vault-state.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface PackProof {
  /** What is wrong with the file as a whole. */
  readonly trouble?: string;
  /** Entries that do not open, with what is wrong. */
  readonly damaged: ReadonlyMap<number, string>;
}

/** What is wrong with a pack: a second reading must agree, for a bit may also flip on the way here. */
export async function provePackTwice(state: OpenState, pool: WorkerPool, pack: number): Promise<PackProof> {
  const first = await provePack(state, pool, pack);
  return first.trouble === undefined && first.damaged.size === 0 ? first : provePack(state, pool, pack);
}

async function provePack(state: OpenState, pool: WorkerPool, pack: number): Promise<PackProof> {
  const { packs, index } = state;
  const name = packs.names[pack]!;
  const entries = entriesOf(packs, pack);
  let bytes: Buffer;
  try {
    bytes = await state.backend.load('data', name);
  } catch (error) {
    if (!isCode(error, 'BACKEND_NOT_FOUND', 'BACKEND_SHORT')) throw error;
    return { trouble: (error as Error).message, damaged: new Map(entries.map((entry) => [entry, 'its pack cannot be read'])) };
  }
  const header = headerTrouble(state, pack, bytes);
  const { damaged, packHash } = await pool.run(
    { type: 'verify', bytes, pack: name, blobs: blobsToLoad(index, entries, 0) },
    ownMemory(bytes),
  );
  const trouble = [packHash === name ? undefined : 'its content does not match its name', header].filter((text) => text !== undefined);
  return {
    ...(trouble.length > 0 ? { trouble: trouble.join('; ') } : {}),
    damaged: new Map(damaged.map(({ number, detail }) => [entries[number]!, detail])),
  };
}

function headerTrouble(state: OpenState, pack: number, bytes: Buffer): string | undefined {
  const { packs, index } = state;
  try {
    const header = decodeHeader(bytes, bytes.length, packs.names[pack]!, state.cipher);
    if ('need' in header) return 'its header is cut off';
    const entries = entriesOf(packs, pack);
    const same = header.every((blob, i) => {
      const entry = entries[i];
      if (entry === undefined || !index.idOf(entry).equals(blob.id) || index.isTree(entry) !== (blob.type === 'tree')) return false;
      const { offset, length, plainLength } = index.location(entry);
      return offset === blob.offset && length === blob.length && plainLength === blob.plainLength;
    });
    return same && header.length === entries.length ? undefined : 'its header and the index disagree';
  } catch (error) {
    if (!isCode(error, 'REPO_DAMAGED')) throw error;
    return 'its header is damaged';
  }
}
