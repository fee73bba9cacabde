// The vault's reading half for restores: blocks are loaded pack by pack, in parallel, and written by the workers.
import { closeSync, fstatSync, ftruncateSync } from 'node:fs';
import { collector } from '../base/collect.ts';
import { backgroundLane, gate } from '../base/lane.ts';
import { applyMeta, createFile } from '../base/libc-meta.ts';
import type { BlobId } from '../ports/blob.ts';
import type { ContentReader, FileToWrite, FileWritten } from '../ports/target.ts';
import { copyFinder } from './copies.ts';
import { type FileToFill, flatFiles } from './fill-files.ts';
import type { DamagedBlob, FillOutcomes } from './jobs.ts';
import { type LoadRange, loadPlan, noWants, partOf, writesOf, writesOfBlob } from './load-plan.ts';
import { ownMemory } from './pack-ranges.ts';
import { type BlobReader, isDamage, type Located, locate, locateOthers } from './read-blob.ts';
import { readTree } from './tree-store.ts';
import { plainSize } from './unpack.ts';
import type { OpenState } from './vault-state.ts';
import type { WorkerPool } from './worker-pool.ts';
import { createCredits, startWorkers } from './workers.ts';
import { zeroIds } from './zero-ids.ts';

/** A batch of wants is planned and loaded at a time: this many blocks or bytes, and so many files held open. */
const batchWants = 4096;
const rangesWaiting = 4;
const batchBytes = 256 << 20;
const batchOpen = 256;
const bytesInFlight = 48 << 20;
const readAhead = 4;

/** Told of blocks and files: when a batch is done, much that was kept for it is not needed any more. */
const planned = collector(4 * batchWants, 'major');

export interface VaultReader extends ContentReader {
  close(): Promise<void>;
}

/** A file while its blocks come in. */
interface Filling {
  readonly file: FileToWrite;
  /** Who has it open: the caller, this thread, or the worker that creates, fills and closes it in one go; nobody if it could not be made. */
  readonly by: 'caller' | 'main' | 'worker' | 'nobody';
  readonly fd: number;
  left: number;
  complete: boolean;
  written: number;
  warnings: readonly string[];
  error?: Error;
}

export function vaultReader(state: OpenState, reader: BlobReader, signal: AbortSignal, onBytes: (bytes: number) => void): VaultReader {
  let pool: WorkerPool | undefined;
  const workers = () => {
    pool ??= startWorkers(state, createCredits(), () => undefined);
    return pool;
  };
  const zero = zeroIds();
  const copies = copyFinder(() => state.index);
  let last: { readonly id: BlobId; readonly found: Located } | undefined;
  /** A small file's one block is asked for twice in a row: for its size, then to be written. */
  const find = (id: BlobId): Located => {
    if (last?.id !== id) last = { id, found: locate(state, id, 'data') };
    return last.found;
  };
  const blobSize = (id: BlobId) => plainSize(find(id));

  async function* stream(content: readonly BlobId[]): AsyncGenerator<Buffer> {
    const ahead: Promise<Buffer>[] = [];
    for (let i = 0; i < content.length || ahead.length > 0; ) {
      signal.throwIfAborted();
      while (i < content.length && ahead.length < readAhead) {
        const loading = reader.load(content[i++]!, 'data');
        loading.catch(() => undefined); // seen when its turn comes
        ahead.push(loading);
      }
      yield await ahead.shift()!;
    }
  }

  const writeFiles: ContentReader['writeFiles'] = async (files, onDone) => {
    const flight = gate(bytesInFlight);
    let wants = noWants<Filling>();
    let bytes = 0;
    const waiting = () => wants.entries.length + wants.bare.length;
    const lane = backgroundLane(Math.max(4, state.backend.connections));
    /** Files that this thread has open. */
    const ours = new Set<Filling>();

    const settle = (filling: Filling) => {
      if (filling.left > 0 || !filling.complete) return;
      if (filling.by === 'main') finishOpened(filling);
      ours.delete(filling);
      const { file, written, warnings, error } = filling;
      onDone({ tag: file.tag, written, warnings, ...(error ? { error } : {}) } satisfies FileWritten);
    };

    const took = (range: LoadRange<Filling>, outcomes: FillOutcomes, damaged: readonly DamagedBlob[] = []) => {
      const writes = writesOf(range);
      for (const { number } of damaged)
        for (const file of range.blobs.files.subarray(...writesOfBlob(range.blobs, number))) writes[file]!--;
      for (const [i, details] of outcomes.warnings) range.files[i]!.warnings = [...range.files[i]!.warnings, ...details];
      for (const [i, { message, code }] of outcomes.errors) range.files[i]!.error ??= Object.assign(new Error(message), { code });
      range.files.forEach((filling, i) => {
        filling.written += outcomes.written[i]!;
        filling.left -= writes[i]!;
        settle(filling);
      });
    };

    /** Loads a range and has it written; gives the blocks that could not be. */
    const attempt = async (range: LoadRange<Filling>): Promise<readonly DamagedBlob[]> => {
      await flight.enter(range.length);
      try {
        const bytes =
          range.length > 0 ? await state.backend.load('data', range.pack, { offset: range.offset, length: range.length }) : Buffer.alloc(0);
        const done = await workers().run(
          { type: 'fill', bytes, blobs: range.blobs, files: flatFiles(range.files.map(toFill)) },
          ownMemory(bytes),
        );
        onBytes(done.bytes);
        took(range, done.outcomes, done.damaged);
        return done.damaged;
      } catch (error) {
        if (signal.aborted || !isDamage(error)) throw error;
        return Array.from(range.blobs.lengths, (_, number) => ({ number, detail: error.message }));
      } finally {
        flight.leave(range.length);
      }
    };

    /** `others`: where else to look for the one block of the range; unknown at first. */
    const fill = async (range: LoadRange<Filling>, others?: readonly Located[]): Promise<void> => {
      signal.throwIfAborted();
      for (const { number, detail } of await attempt(range)) {
        // A block among others may have failed with its neighbours (a pack that was cut): it is tried alone first.
        const alone = range.blobs.lengths.length > 1;
        const places = others ?? locateOthers(state, copies, range.blobs.ids.subarray(32 * number, 32 * number + 32), 'data');
        const part = partOf(range, number, alone ? undefined : places[0]);
        if (alone) await fill(part);
        else if (places.length > 0) await fill(part, places.slice(1));
        else
          took(part, {
            written: new Float64Array(part.files.length),
            warnings: [],
            errors: part.files.map((_, i) => [i, { message: detail, code: '' }]),
          });
      }
    };

    /** Plans what is wanted so far; loading goes on while the next batch gathers. */
    const runBatch = async () => {
      planned(waiting());
      const plan = loadPlan(state.index, state.packs.names, wants);
      wants = noWants();
      bytes = 0;
      for (const range of plan) lane.add(() => fill(range));
      if (ours.size >= batchOpen) await lane.idle();
      else await lane.below(rangesWaiting);
    };

    const add = async (filling: Filling) => {
      const { file } = filling;
      if (filling.by === 'worker' && file.content.length === 0) {
        wants.bare.push(filling);
        filling.left++;
      }
      let position = file.open.kind === 'fd' ? file.open.base : 0;
      for (const id of file.content) {
        const location = find(id);
        const size = plainSize(location);
        if (file.mode === 'new' && filling.by !== 'worker' && zero(id, location)) onBytes(size);
        else {
          wants.entries.push(location.entry);
          wants.targets.push(filling);
          wants.positions.push(position);
          filling.left++;
          bytes += size;
        }
        position += size;
        if (waiting() >= batchWants || bytes >= batchBytes) await runBatch();
      }
    };

    try {
      for await (const file of files) {
        signal.throwIfAborted();
        const filling = begin(file);
        if (filling.by === 'main') ours.add(filling);
        if (filling.by !== 'nobody') await bearDamage(filling, () => add(filling));
        filling.complete = true;
        settle(filling);
        if (ours.size >= batchOpen || waiting() >= batchWants) await runBatch();
      }
      await runBatch();
      await lane.idle();
    } finally {
      await lane.idle().catch(() => undefined);
      for (const { fd } of ours) closeSync(fd);
    }
  };

  return {
    tree: (id) => readTree(state, reader, id),
    stream,
    blobSize,
    writeFiles,
    close: async () => pool?.close(),
  };
}

function begin(file: FileToWrite): Filling {
  const filling = { file, fd: -1, left: 0, complete: false, written: 0, warnings: [] };
  if (file.open.kind === 'fd') return { ...filling, by: 'caller', fd: file.open.fd };
  if (file.content.length <= 1) return { ...filling, by: 'worker' };
  try {
    return { ...filling, by: 'main', fd: createFile(file.open.dirfd, file.open.name) };
  } catch (error) {
    return { ...filling, by: 'nobody', error: error as Error };
  }
}

/** Damage in the vault costs the file it belongs to, nothing else. */
async function bearDamage(filling: Filling, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    if (!isDamage(error)) throw error;
    filling.error = error;
  }
}

/** What is left to do for a file that this thread opened: its size (a hole at the end writes nothing), then metadata, times last. */
function finishOpened(filling: Filling): void {
  const { file, fd } = filling;
  try {
    if (!filling.error && fstatSync(fd).size < file.size) ftruncateSync(fd, file.size);
    if (!filling.error && file.meta) filling.warnings = [...filling.warnings, ...applyMeta(fd, file.meta)];
  } catch (error) {
    filling.error ??= error as Error;
  } finally {
    closeSync(fd);
  }
}

function toFill({ file, by, fd }: Filling): FileToFill {
  const compare = file.mode === 'compare';
  if (by !== 'worker' || file.open.kind === 'fd') return { open: { kind: 'fd', fd }, size: file.size, compare };
  return {
    open: { kind: 'create', dirfd: file.open.dirfd, name: file.open.name },
    size: file.size,
    compare,
    ...(file.meta ? { meta: file.meta } : {}),
  };
}
