// Is everything that the records need there and sound? As `restic check`, and it names the records that are hurt.
import { hash } from 'node:crypto';
import { fail, isCode } from '../base/errors.ts';
import type { CheckReport } from '../model/task.ts';
import type { BlobId } from '../ports/blob.ts';
import { choosePacks, type ReadData } from './check-choice.ts';
import { type PacksRead, readPacks } from './check-data.ts';
import { checkPacks } from './check-packs.ts';
import { copyFinder } from './copies.ts';
import { createFindings, type Findings } from './findings.ts';
import { type BadBlobs, findHurt } from './hurt.ts';
import type { BlobReader } from './read-blob.ts';
import { readRecords } from './records.ts';
import { loadFile } from './unpacked.ts';
import type { OpenState } from './vault-state.ts';
import { markUsed } from './walk.ts';

export interface CheckOptions {
  /** Which packs to read: none, all, 'n/t' (restic's n-th of t groups) or 'x%' (that share, by chance). Throws USAGE for anything else. */
  readonly readData: ReadData;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: PacksRead) => void;
}

/** The caller holds a lock and has loaded the index (tolerantly: `damagedIndexes` are the files that could not be read). */
export async function checkRepository(
  state: OpenState,
  blobs: BlobReader,
  damagedIndexes: readonly { readonly name: string; readonly error: unknown }[],
  options: CheckOptions,
): Promise<CheckReport> {
  const { index, packs } = state;
  const { signal, onProgress = () => undefined } = options;
  const findings = createFindings();
  const chosen = choosePacks(packs.names, options.readData);
  for (const { name, error } of damagedIndexes) findings.error('index', name, error);
  await checkKeys(state, findings);
  await checkLocks(state, findings);

  /** Entries whose bytes are gone or wrong. */
  const badEntries = new Set<number>();
  const sizes = new Map<string, number>();
  for await (const file of state.backend.list('data')) sizes.set(file.name, file.size);
  checkPacks(state, sizes, damagedIndexes.length > 0, findings, badEntries);

  const records = await readRecords(state, (name, error) => findings.error('snapshots', name, error));
  const missing = { data: new Set<BlobId>(), tree: new Set<BlobId>() };
  const roots = records.map((record) => record.tree);
  index.clearMarks();
  const visitor = {
    missing: (id: BlobId, type: 'data' | 'tree') => {
      if (missing[type].has(id)) return;
      missing[type].add(id);
      findings.error(type === 'tree' ? 'tree' : 'block', id, 'no index lists it');
    },
    unreadable: (id: BlobId, error: unknown) => {
      if (!isCode(error, 'REPO_DAMAGED', 'REPO_BLOB_MISSING', 'BACKEND_NOT_FOUND', 'BACKEND_SHORT')) throw error;
      missing.tree.add(id);
      findings.error('tree', id, error);
    },
    odd: (id: BlobId, detail: string) => findings.error('tree', id, detail),
  };
  await markUsed(state, blobs, roots, visitor, signal);
  noteUnused(state, findings);

  const readable = chosen.filter((pack) => sizes.has(packs.names[pack]!));
  const bytesRead = await readPacks(state, readable, sizes, { signal, onProgress, findings, badEntries });

  const bad = badBlobs(state, badEntries, missing);
  const hurt = bad.data.size + bad.tree.size > 0 ? await findHurt(state, blobs, records, bad, signal) : {};
  index.clearMarks();
  return { packs: packs.names.length, blobs: index.count(), bytesRead, ...findings.report(), hurt };
}

/** A key file is named by what it holds, and it must be a key's JSON. */
async function checkKeys({ backend }: OpenState, findings: Findings): Promise<void> {
  for await (const { name } of backend.list('keys')) {
    try {
      const bytes = await backend.load('keys', name);
      const damaged = (detail: string) => fail('REPO_DAMAGED', { kind: 'keys', name, detail });
      if (hash('sha256', bytes, 'hex') !== name) damaged('its content does not match its name');
      const key = JSON.parse(bytes.toString('utf8')) as { kdf?: unknown; data?: unknown } | null;
      if (key?.kdf !== 'scrypt' || typeof key.data !== 'string') damaged('it has not the form of a key');
    } catch (error) {
      if (isCode(error, 'BACKEND_NOT_FOUND')) continue; // removed meanwhile
      if (!(error instanceof SyntaxError) && !isCode(error, 'REPO_DAMAGED', 'BACKEND_SHORT')) throw error;
      findings.error('keys', name, error instanceof SyntaxError ? 'it is no JSON' : error);
    }
  }
}

/** A lock that nobody can read blocks prune; it is no damage to what is stored. */
async function checkLocks({ backend, cipher }: OpenState, findings: Findings): Promise<void> {
  for await (const { name, size } of backend.list('locks')) {
    try {
      if (size > 0) await loadFile(backend, 'locks', name, cipher);
    } catch (error) {
      if (isCode(error, 'BACKEND_NOT_FOUND')) continue;
      if (!isCode(error, 'REPO_DAMAGED', 'BACKEND_SHORT')) throw error;
      findings.note(`lock ${name} cannot be read; remove it with agentcli vault unlock`);
    }
  }
}

function noteUnused({ index }: OpenState, findings: Findings): void {
  let unused = 0;
  let bytes = 0;
  for (let entry = 0; entry < index.count(); entry++) {
    if (index.isMarked(entry)) continue;
    unused++;
    bytes += index.location(entry).length;
  }
  if (unused > 0) findings.note(`${unused} blocks (${bytes} bytes) are used by no backup; prune removes them`);
}

/** A blob is bad when none of its copies is good. */
function badBlobs({ index }: OpenState, badEntries: ReadonlySet<number>, missing: { data: Set<BlobId>; tree: Set<BlobId> }): BadBlobs {
  const copies = copyFinder(() => index);
  for (const entry of badEntries) {
    const id = index.idOf(entry);
    const tree = index.isTree(entry);
    const first = index.find(id, tree);
    if ([first, ...copies.others(first)].every((copy) => badEntries.has(copy))) missing[tree ? 'tree' : 'data'].add(id.toString('hex'));
  }
  return missing;
}
