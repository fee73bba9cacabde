// Index files: which blobs lie in which pack. Source: restic doc/design.rst "Indexing"; each pack stands whole in one index file
// (restic ≥ 0.19 makes anything else an error).
import { fail } from '../base/errors.ts';
import type { Backend } from '../ports/backend.ts';
import type { BlobIndex } from './blob-index.ts';
import type { Cipher } from './crypto.ts';
import { loadJson, saveFile } from './unpacked.ts';

interface BlobJson {
  id: string;
  type: 'data' | 'tree';
  offset: number;
  length: number;
  uncompressed_length?: number;
}
interface PackJson {
  id: string;
  blobs: BlobJson[];
}
interface IndexJson {
  packs: PackJson[] | null;
}

/** Packs by the number that index entries carry. */
export interface PackTable {
  readonly names: string[];
  /** A pack that an index file listed has one run of entries: [first, count]. One of this run has them as they were claimed. */
  readonly entries: ({ readonly first: number; readonly count: number } | readonly number[])[];
  /** The index file that lists the pack; '' until there is one. */
  readonly indexOf: string[];
  /** Further index files that list a pack, by its number. */
  readonly alsoIn: Map<number, string[]>;
  /** Every index file that was read, also those that list nothing. */
  readonly files: Set<string>;
  readonly numbers: Map<string, number>;
}

export const emptyPackTable = (): PackTable => ({
  names: [],
  entries: [],
  indexOf: [],
  alsoIn: new Map(),
  files: new Set(),
  numbers: new Map(),
});

/** Entry numbers of a pack, in the order of their offsets. */
export function entriesOf(packs: PackTable, pack: number): readonly number[] {
  const entries = packs.entries[pack]!;
  return 'first' in entries ? Array.from({ length: entries.count }, (_, i) => entries.first + i) : entries;
}

export function addPack(packs: PackTable, name: string, entries: PackTable['entries'][number], indexName: string): number {
  const number = packs.names.length;
  packs.numbers.set(name, number);
  packs.names.push(name);
  packs.entries.push(entries);
  packs.indexOf.push(indexName);
  return number;
}

/**
 * Reads one index file into the shared index. A pack may stand in several files, whole or (old restic) split over them: what is new is added.
 * Throws REPO_DAMAGED; then nothing of the file was taken.
 */
export async function loadIndexFile(backend: Backend, name: string, cipher: Cipher, index: BlobIndex, packs: PackTable): Promise<void> {
  const json = await loadJson<IndexJson>(backend, 'index', name, cipher);
  const listed = json?.packs ?? [];
  if (!Array.isArray(listed) || !listed.every(isPack))
    fail('REPO_DAMAGED', { kind: 'index', name, detail: 'an entry has not the form of a pack' });
  packs.files.add(name);
  for (const pack of listed) {
    const blobs = pack.blobs.sort((a, b) => a.offset - b.offset);
    const known = packs.numbers.get(pack.id);
    if (known !== undefined) {
      addAgain(known, blobs, name, index, packs);
      continue;
    }
    const number = addPack(packs, pack.id, { first: index.count(), count: blobs.length }, name);
    for (const blob of blobs) addBlob(index, number, blob);
  }
}

/** One for all: an index has millions. */
const idBytes = Buffer.alloc(32);

function addBlob(index: BlobIndex, pack: number, { id, type, offset, length, uncompressed_length: plainLength = 0 }: BlobJson): number {
  idBytes.write(id, 'hex');
  return index.add(idBytes, type === 'tree', { pack, offset, length, plainLength });
}

function addAgain(number: number, blobs: readonly BlobJson[], name: string, index: BlobIndex, packs: PackTable): void {
  const others = packs.alsoIn.get(number);
  if (others) others.push(name);
  else packs.alsoIn.set(number, [name]);
  const entries = entriesOf(packs, number);
  const offsets = new Set(entries.map((entry) => index.location(entry).offset));
  const added = blobs.filter((blob) => !offsets.has(blob.offset)).map((blob) => addBlob(index, number, blob));
  if (added.length === 0) return;
  packs.entries[number] = [...entries, ...added].sort((a, b) => index.location(a).offset - index.location(b).offset);
}

const hexId = /^[0-9a-f]{64}$/;
/** Reading it is four times faster than the pattern; it stops at what is no digit. */
const isHex = (id: string): boolean => id.length === 64 && idBytes.write(id, 'hex') === 32;
const isSize = (value: unknown): boolean => typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32;

function isPack(pack: PackJson | null): boolean {
  return typeof pack?.id === 'string' && hexId.test(pack.id) && Array.isArray(pack.blobs) && pack.blobs.every(isBlob);
}

function isBlob(blob: BlobJson | null): boolean {
  if (typeof blob?.id !== 'string' || !isHex(blob.id) || (blob.type !== 'data' && blob.type !== 'tree')) return false;
  return isSize(blob.offset) && isSize(blob.length) && (blob.uncompressed_length === undefined || isSize(blob.uncompressed_length));
}

/** Writes an index file that lists these packs; returns its name. */
export async function saveIndexFile(
  backend: Backend,
  numbers: readonly number[],
  packs: PackTable,
  index: BlobIndex,
  cipher: Cipher,
  version: number,
): Promise<string> {
  const json: IndexJson = {
    packs: numbers.map((number) => ({
      id: packs.names[number]!,
      blobs: entriesOf(packs, number).map((entry) => {
        const { offset, length, plainLength } = index.location(entry);
        return {
          id: index.idOf(entry).toString('hex'),
          type: index.isTree(entry) ? 'tree' : 'data',
          offset,
          length,
          ...(plainLength > 0 ? { uncompressed_length: plainLength } : {}),
        };
      }),
    })),
  };
  const name = await saveFile(backend, 'index', Buffer.from(`${JSON.stringify(json)}\n`), cipher, version);
  for (const number of numbers) packs.indexOf[number] = name;
  packs.files.add(name);
  return name;
}
