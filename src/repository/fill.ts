// Worker side: blocks written to where a restore wants them.
import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { errnoOf, isCode } from '../base/errors.ts';
import { close as closeFd, punchHole } from '../base/libc.ts';
import { applyMeta, bequeathsXattrs, createFile } from '../base/libc-meta.ts';
import { type FileToFill, fileReader, flatOutcomes } from './fill-files.ts';
import type { BlobsToFill, DamagedBlob, FilesToFill, JobResults } from './jobs.ts';
import { writesOfBlob } from './load-plan.ts';
import type { BlobInBytes } from './unpack.ts';
import { isZero } from './zero.ts';

interface OpenFile {
  readonly file: FileToFill;
  fd: number;
  left: number;
  end: number;
  written: number;
  warnings: readonly string[];
  error?: { readonly message: string; readonly code: string };
}

/** Bytes that are compared with what is there, and written if they differ: a disk's block, also where a block of zeros is larger. */
const compareStep = 1 << 20;
const present = Buffer.alloc(compareStep);

/** Writes every blob to its places. A file that fails is told in its outcome; what a damaged blob should have filled is left as it was. */
export function fillFiles(files: FilesToFill, blobs: BlobsToFill, open: (blob: BlobInBytes) => Buffer): JobResults['fill'] {
  const fileAt = fileReader(files);
  const bequeaths = new Map<number, boolean>();
  const states = Array.from(files.sizes, (_, i): OpenFile => ({ file: fileAt(i), fd: -1, left: 0, end: 0, written: 0, warnings: [] }));
  for (const file of blobs.files) states[file]!.left++;
  const damaged: DamagedBlob[] = [];
  let bytes = 0;
  try {
    for (const state of states) if (state.left === 0) attempt(state, () => finish(begin(state), bequeaths));
    for (let number = 0; number < blobs.lengths.length; number++) {
      const plain = soundOr(damaged, number, () => open(blobAt(blobs, number)));
      if (!plain) continue;
      const [from, to] = writesOfBlob(blobs, number);
      for (let i = from; i < to; i++) {
        const state = states[blobs.files[i]!]!;
        attempt(state, () => {
          write(begin(state), plain, blobs.positions[i]!);
          bytes += plain.length;
          if (--state.left === 0) finish(state, bequeaths);
        });
      }
    }
  } finally {
    for (const state of states) close(state);
  }
  return { outcomes: flatOutcomes(states), bytes, damaged };
}

const blobAt = ({ ids, offsets, lengths, plainLengths }: BlobsToFill, i: number): BlobInBytes => ({
  id: ids.subarray(32 * i, 32 * i + 32),
  offset: offsets[i]!,
  length: lengths[i]!,
  plainLength: plainLengths[i]!,
});

/** A damaged blob costs only those files that need it. */
function soundOr(damaged: DamagedBlob[], number: number, open: () => Buffer): Buffer | undefined {
  try {
    return open();
  } catch (error) {
    if (!isCode(error, 'REPO_DAMAGED')) throw error;
    damaged.push({ number, detail: (error as Error).message });
    return undefined;
  }
}

function attempt(state: OpenFile, step: () => void): void {
  if (state.error) return;
  try {
    step();
  } catch (error) {
    const code = errnoOf(error);
    if (!code) throw error;
    state.error = { message: (error as Error).message, code };
  }
}

function begin(state: OpenFile): OpenFile {
  const { open } = state.file;
  if (state.fd < 0) state.fd = open.kind === 'fd' ? open.fd : createFile(open.dirfd, open.name);
  return state;
}

function write(state: OpenFile, plain: Buffer, position: number): void {
  if (!state.file.compare) {
    if (!isZero(plain)) put(state, plain, position); // a new file has its hole there
    return;
  }
  for (let at = 0; at < plain.length; at += compareStep) {
    const piece = plain.subarray(at, at + compareStep);
    const there = present.subarray(0, piece.length);
    if (readAt(state.fd, there, position + at) === piece.length && there.equals(piece)) continue;
    if (isZero(piece) && fstatSync(state.fd).isFile() && punched(state.fd, position + at, piece.length)) continue;
    put(state, piece, position + at);
  }
}

function put(state: OpenFile, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(state.fd, bytes, at, bytes.length - at, position + at);
  state.written += bytes.length;
  state.end = Math.max(state.end, position + bytes.length);
}

/** `bequeaths`: what is known of the directories by their descriptors, which stay the same during a job. */
function finish(state: OpenFile, bequeaths: Map<number, boolean>): void {
  const { open, size, meta } = state.file;
  if (open.kind === 'fd') return;
  if (state.end < size) ftruncateSync(state.fd, size);
  let inherited = bequeaths.get(open.dirfd);
  if (inherited === undefined) {
    inherited = bequeathsXattrs(open.dirfd);
    bequeaths.set(open.dirfd, inherited);
  }
  if (meta) state.warnings = applyMeta(state.fd, meta, !inherited);
  close(state);
}

function close(state: OpenFile): void {
  if (state.file.open.kind === 'fd' || state.fd < 0) return;
  closeFd(state.fd); // fs.closeSync warns in a worker about descriptors that it did not open
  state.fd = -1;
}

function punched(fd: number, position: number, length: number): boolean {
  try {
    punchHole(fd, position, length);
    return true;
  } catch (error) {
    if (['ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(errnoOf(error) ?? '')) return false; // this file system has no holes: the zeros are written
    throw error;
  }
}

function readAt(fd: number, into: Buffer, position: number): number {
  let done = 0;
  while (done < into.length) {
    const got = readSync(fd, into, done, into.length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}
