// A repository in a bucket as it was at a moment, from the versions that the bucket keeps; and the way back to it.
// Importing this file loads the AWS SDK.
import { CopyObjectCommand, DeleteObjectCommand } from '@aws-sdk/client-s3';
import { backoff } from '../base/backoff.ts';
import { fail } from '../base/errors.ts';
import { backgroundLane } from '../base/lane.ts';
import type { RecoverReport } from '../model/task.ts';
import type { Backend, FileKind, StoredFile } from '../ports/backend.ts';
import { keyPrefix, locationOf } from '../s3/client.ts';
import { s3Failure } from '../s3/errors.ts';
import { keyOf } from './layout.ts';
import { lockFields, type S3Options, s3Objects } from './s3.ts';
import { attemptOn, type Version, type VersionsDoor, versionAt, versionsOf } from './s3-versions.ts';

/** Copies at a time. */
const atOnce = 16;

function doorOf({ place, path, connection }: S3Options): VersionsDoor {
  return { place, connection, base: keyPrefix(place, path), location: locationOf(place, path) };
}

/**
 * Read-only: what is saved and removed is refused with POOL_NO_RIGHT. But for locks, which stay in memory: nobody prunes what was, so there is
 * nobody to be told.
 */
export function s3Past(options: S3Options, at: number): Backend {
  const door = doorOf(options);
  const objects = s3Objects(options);
  const { location } = door;
  const known = new Map<FileKind, Promise<ReadonlyMap<string, Version>>>();
  const locks = new Map<string, Buffer>();

  const read = async (kind: FileKind) => {
    const then = new Map<string, Version>();
    for (const [name, versions] of await versionsOf(door, kind)) {
      const version = versionAt(versions, at);
      if (version) then.set(name, version);
    }
    return then;
  };
  const filesOf = (kind: FileKind) => {
    const files = known.get(kind) ?? read(kind);
    known.set(kind, files);
    files.catch(() => known.delete(kind)); // asked again by the next try
    return files;
  };
  const find = async (kind: FileKind, name: string): Promise<Version> =>
    (await filesOf(kind)).get(name) ?? fail('BACKEND_NOT_FOUND', { kind, name, location });
  const refuse = (): never => fail('POOL_NO_RIGHT', { right: 'put', location: `${location} as of ${new Date(at).toISOString()}` });

  return {
    location,
    connections: 5,
    async save(kind, name, bytes) {
      if (kind !== 'locks') refuse();
      locks.set(name, Buffer.from(bytes));
    },
    async load(kind, name, range) {
      const lock = locks.get(name);
      if (kind === 'locks') return lock ?? fail('BACKEND_NOT_FOUND', { kind, name, location });
      const { id, size } = await find(kind, name);
      if (range?.length === 0) return Buffer.alloc(0);
      if (range && range.offset + range.length > size) fail('BACKEND_SHORT', { kind, name, location });
      return objects.get(`${door.base}${keyOf(kind, name)}`, range, attemptOn(door, 'load', 'get', kind, name), id);
    },
    async stat(kind, name) {
      return { name, size: (await find(kind, name)).size };
    },
    async *list(kind): AsyncGenerator<StoredFile> {
      if (kind === 'locks') for (const [name, { length }] of locks) yield { name, size: length };
      else for (const [name, { size }] of await filesOf(kind)) yield { name, size };
    },
    async remove(kind, name) {
      if (kind !== 'locks') refuse();
      locks.delete(name);
    },
    async close() {
      options.connection.close();
    },
  };
}

/** What opens the vault first, what makes its data a backup last: a recovery that breaks off is only run again. */
const order = ['config', 'keys', 'data', 'index', 'snapshots'] as const satisfies readonly FileKind[];

/**
 * Makes the repository what it was at the moment `at`: each file that was there becomes the newest version of its name again, and what came
 * later is hidden (packs excepted, which mean nothing without an index). No version is removed, so that another moment can still be chosen.
 */
export async function recoverPast(
  options: S3Options,
  at: number,
  { dryRun, signal, onProgress }: { readonly dryRun: boolean; readonly signal: AbortSignal; readonly onProgress: (bytes: number) => void },
): Promise<RecoverReport> {
  const door = doorOf(options);
  const { client, now } = options.connection;
  const Bucket = door.place.bucket;
  const counts = { putBack: 0, bytes: 0, hidden: 0, kept: 0 };
  // Copies may take days, and are worth nothing if they can be removed meanwhile.
  const until = () => options.locked && now() + (options.locked.period * 4) / 3;

  const putBack = async (kind: FileKind, name: string, version: Version) => {
    const Key = `${door.base}${keyOf(kind, name)}`;
    const CopySource = `${Bucket}/${encodeURIComponent(Key).replaceAll('%2F', '/')}?versionId=${encodeURIComponent(version.id)}`;
    await client
      .send(new CopyObjectCommand({ Bucket, Key, CopySource, ...lockFields(until()) }))
      .catch((error: unknown) => Promise.reject(s3Failure(error, attemptOn(door, 'put back', 'put', kind, name))));
  };
  const hide = async (kind: FileKind, name: string) => {
    await client
      .send(new DeleteObjectCommand({ Bucket, Key: `${door.base}${keyOf(kind, name)}` }))
      .catch((error: unknown) => Promise.reject(s3Failure(error, attemptOn(door, 'hide', 'delete', kind, name))));
  };
  const mend = async (kind: FileKind, name: string, versions: readonly Version[]) => {
    const then = versionAt(versions, at);
    const newest = versions[0]!;
    if (then && !newest.deleted && isSame(then, newest)) counts.kept++;
    else if (then) {
      if (!dryRun) await putBack(kind, name, then);
      counts.putBack++;
      counts.bytes += then.size;
      onProgress(counts.bytes);
    } else if (!newest.deleted && kind !== 'data') {
      if (!dryRun) await hide(kind, name);
      counts.hidden++;
    }
  };

  for (const kind of order) {
    const lane = backgroundLane(atOnce);
    for (const [name, versions] of await backoff(() => versionsOf(door, kind), { signal }))
      lane.add(async () => {
        signal.throwIfAborted();
        await backoff(() => mend(kind, name, versions), { signal });
      });
    await lane.idle();
  }
  return { ...counts, dryRun };
}

const isSame = (a: Version, b: Version): boolean => a.id === b.id || (a.etag === b.etag && a.size === b.size);
