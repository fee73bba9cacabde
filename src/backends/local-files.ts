// Crash-safe file operations and what their failures mean, for pools that are directories.
import { randomBytes } from 'node:crypto';
import { type FileHandle, lchown, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transient } from '../base/backoff.ts';
import { errnoOf, failure } from '../base/errors.ts';

/** What was tried, for the message; `right` is the probe's word for it. */
export interface Attempt {
  readonly operation: string;
  readonly right: 'put' | 'get' | 'list' | 'delete' | 'create';
  readonly kind: string;
  readonly name: string;
  readonly location: string;
}

/** A server behind the directory (NFS, SMB) that is away or has forgotten our handle, or a shortage of this process that passes. */
const passing = new Set(
  'ESTALE ETIMEDOUT EAGAIN EINTR EBUSY EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENOTCONN ECONNRESET ECONNREFUSED EMFILE ENFILE'.split(
    ' ',
  ),
);

/** A system error as the error to throw. ENOENT is the caller's to judge. */
export function localFailure(error: unknown, attempt: Attempt): Error {
  const errno = errnoOf(error);
  if (errno === undefined) return error as Error;
  const { location, operation, kind, name, right } = attempt;
  const detail = (error as Error).message;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return failure('POOL_FULL', { location }, { cause: error });
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS') return failure('POOL_NO_RIGHT', { right, location }, { cause: error });
  if (passing.has(errno)) return new Transient(failure('POOL_OFFLINE', { location, detail }, { cause: error }));
  return failure('BACKEND_FAILED', { operation, kind, name, location, detail }, { cause: error });
}

const unfinished = /^[0-9a-z.-]+-tmp-sp[0-9a-f]{16}$/;

/** The name of a file that is being written, in restic's manner (`<id>-tmp-…`), which no listing shows. */
export function temporaryName(name: string): string {
  return `${name}-tmp-sp${randomBytes(8).toString('hex')}`;
}

/** Whether a file was left unfinished by us, and by nobody else who stores in the same directory. */
export function isTemporaryName(name: string): boolean {
  return unfinished.test(name);
}

/**
 * Writes a file so that after a power cut it is there whole or not at all: a temporary file in the final directory, its length and its mode
 * set before fsync, then the rename, then fsync of the directory. The mode comes before the rename, so that no crash leaves a final
 * file with the wrong one. Throws system errors; the temporary file is gone then.
 */
export async function writeDurably(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(folder, temporaryName(name));
  const file = await open(temporary, 'wx', 0o600);
  try {
    try {
      await writeAll(file, bytes);
      const { size } = await file.stat();
      if (size !== bytes.length) throw Object.assign(new Error(`wrote ${size} of ${bytes.length} bytes`), { code: 'EIO' });
      await file.chmod(0o400).catch(ignoreMissingModes);
      await giveToOwner(file, folder);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(folder, name));
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(folder);
}

/** What a task of root writes stays the pool's owner's, or rdagent could not read it later. Where root may not (NFS) it is as it is. */
async function giveToOwner(file: Pick<FileHandle, 'chown'>, folder: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await stat(folder);
  if (uid !== 0) await file.chown(uid, gid).catch(ignoreMissingModes);
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, null);
    at += bytesWritten;
  }
}

/** Reads exactly `length` bytes from `offset`, or fewer where the file ends before. */
export async function readFully(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let have = 0;
  while (have < length) {
    const { bytesRead } = await file.read(bytes, have, length - have, offset + have);
    if (bytesRead === 0) break;
    have += bytesRead;
  }
  return bytes.subarray(0, have);
}

/** Makes the names in a directory durable. File systems that cannot sync a directory (SMB, some FUSE) say so and are believed. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch((error: unknown) => {
    if (process.platform === 'win32') return undefined;
    throw error;
  });
  if (handle === undefined) return;
  try {
    await handle.sync().catch((error: unknown) => {
      if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
    });
  } finally {
    await handle.close();
  }
}

/** Makes `folder` and what is missing above it, below `root`, durably. `root` itself is never made: without it, throws ENOENT. */
export async function makeFolder(root: string, folder: string): Promise<void> {
  if (folder === root) return await syncFolder(root);
  try {
    await mkdir(folder, 0o700);
    // The pool's owner may have put a link in its place meanwhile.
    await giveToOwner({ chown: (uid, gid) => lchown(folder, uid, gid) }, dirname(folder));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' && dirname(folder) !== root) {
      await makeFolder(root, dirname(folder));
      return await makeFolder(root, folder);
    }
    if (errno !== 'EEXIST') throw error;
  }
  await syncFolder(dirname(folder));
}

/** File systems without modes (vfat, SMB) refuse chmod; restic ignores it there, too. */
function ignoreMissingModes(error: unknown): void {
  if (!['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '')) throw error;
}
