// Worker side: blocks written to where a restore wants them.
import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { errnoOf, isCode } from '../base/errors.ts';
import { close as closeFd, punchHole } from '../base/libc.ts';
import { applyMeta, createFile } from '../base/libc-meta.ts';
import type { BlobToLoad, DamagedBlob, FileToFill, FillOutcome, JobResults } from './jobs.ts';
import { isZero } from './zero.ts';

interface OpenFile {
  fd: number;
  left: number;
  end: number;
  written: number;
  warnings: readonly string[];
  error?: NodeJS.ErrnoException;
}

/** Bytes that are compared with what is there, and written if they differ: a disk's block, also where a block of zeros is larger. */
const compareStep = 1 << 20;
const present = Buffer.alloc(compareStep);

/** Writes every blob to its places. A file that fails is told in its outcome; what a damaged blob should have filled is left as it was. */
export function fillFiles(
  files: readonly FileToFill[],
  blobs: readonly BlobToLoad[],
  open: (blob: BlobToLoad) => Buffer,
): JobResults['fill'] {
  const states: OpenFile[] = files.map(() => ({ fd: -1, left: 0, end: 0, written: 0, warnings: [] }));
  for (const blob of blobs) for (let i = 0; i < blob.writes.length; i += 2) states[blob.writes[i]!]!.left++;
  const damaged: DamagedBlob[] = [];
  let bytes = 0;
  try {
    for (const [i, file] of files.entries()) if (states[i]!.left === 0) attempt(states[i]!, () => finish(file, begin(file, states[i]!)));
    for (const [number, blob] of blobs.entries()) {
      const plain = soundOr(damaged, number, () => open(blob));
      if (!plain) continue;
      for (let i = 0; i < blob.writes.length; i += 2) {
        const file = files[blob.writes[i]!]!;
        const state = states[blob.writes[i]!]!;
        attempt(state, () => {
          write(file, begin(file, state), plain, blob.writes[i + 1]!);
          bytes += plain.length;
          if (--state.left === 0) finish(file, state);
        });
      }
    }
  } finally {
    for (const [i, file] of files.entries()) close(file, states[i]!);
  }
  return { outcomes: states.map(outcomeOf), bytes, damaged };
}

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
    if (!errnoOf(error)) throw error;
    state.error = error as NodeJS.ErrnoException;
  }
}

function begin(file: FileToFill, state: OpenFile): OpenFile {
  if (state.fd < 0) state.fd = file.open.kind === 'fd' ? file.open.fd : createFile(file.open.dirfd, Buffer.from(file.open.name));
  return state;
}

function write(file: FileToFill, state: OpenFile, plain: Buffer, position: number): void {
  if (!file.compare) {
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

function finish(file: FileToFill, state: OpenFile): void {
  if (file.open.kind === 'fd') return;
  if (state.end < file.size) ftruncateSync(state.fd, file.size);
  if (file.meta) state.warnings = applyMeta(state.fd, file.meta);
  close(file, state);
}

function close(file: FileToFill, state: OpenFile): void {
  if (file.open.kind === 'fd' || state.fd < 0) return;
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

function outcomeOf(state: OpenFile): FillOutcome {
  const { written, warnings, error } = state;
  return error ? { written, warnings, error: error.message, errno: error.code ?? '' } : { written, warnings };
}
