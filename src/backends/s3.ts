// A repository in a bucket, in restic's default layout. Importing this file loads the AWS SDK.
import { hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { Transient } from '../base/backoff.ts';
import { fail, failure } from '../base/errors.ts';
import type { Limit } from '../base/limit.ts';
import type { S3Place } from '../model/pool.ts';
import type { Backend, FileKind } from '../ports/backend.ts';
import { keyPrefix, locationOf, type S3Connection } from '../s3/client.ts';
import { type S3Attempt, s3Failure, statusOf } from '../s3/errors.ts';
import { keyOf, nameIn } from './layout.ts';
import type { LockMemory } from './lock-memory.ts';
import { s3Locking } from './s3-locking.ts';

export interface S3Options {
  readonly place: S3Place;
  /** `<vault>/<agent-id>` below the place's prefix, or '' where the place itself is the repository. */
  readonly path: string;
  /** Closed with the backend. */
  readonly connection: S3Connection;
  readonly limit: Limit;
  /** Everything but locks is saved so that nobody can remove it for this time (ms). */
  readonly locked?: { readonly period: number; readonly memory: LockMemory };
}

/**
 * Raw: one try an operation, passing trouble comes out as Transient. A file is one PUT, so it is there whole or not at all, and a PUT whose answer
 * was lost may be sent again.
 */
export function s3Backend(options: S3Options): Backend {
  const { place, connection, limit } = options;
  const { client } = connection;
  const location = locationOf(place, options.path);
  const base = keyPrefix(place, options.path);
  const objects = s3Objects(options);

  const attempt = (operation: string, right: string, kind: FileKind, name: string): S3Attempt => {
    return { operation, right, kind, name, location };
  };

  const load: Backend['load'] = async (kind, name, range) => {
    if (range?.length === 0) return Buffer.alloc(0);
    return await objects.get(`${base}${keyOf(kind, name)}`, range, attempt('load', 'get', kind, name));
  };
  const locking = options.locked && s3Locking({ place, connection, base, location, load, ...options.locked });

  return {
    location,
    connections: 5,
    ...(locking && { locking }),

    async save(kind, name, bytes) {
      const Key = `${base}${keyOf(kind, name)}`;
      const until = kind === 'locks' ? undefined : locking?.untilFor(kind);
      const version = await objects.put(Key, bytes, attempt('save', 'put', kind, name), until);
      if (until !== undefined && version !== undefined) options.locked?.memory.set(Key, version, until);
    },

    load,

    async stat(kind, name) {
      const Key = `${base}${keyOf(kind, name)}`;
      const tried = attempt('stat', 'get', kind, name);
      try {
        const head = await client.send(new HeadObjectCommand({ Bucket: place.bucket, Key }));
        return { name, size: head.ContentLength ?? 0 };
      } catch (error) {
        // An answer to HEAD has no body, so no reason: the same question as a GET tells a missing bucket from a missing object.
        if ([403, 404].includes(statusOf(error))) await objects.get(Key, { offset: 0, length: 1 }, tried);
        throw s3Failure(error, tried);
      }
    },

    async dateOf(kind, name) {
      try {
        const head = await client.send(new HeadObjectCommand({ Bucket: place.bucket, Key: `${base}${keyOf(kind, name)}` }));
        return head.LastModified?.getTime() ?? Number.NaN;
      } catch (error) {
        throw s3Failure(error, attempt('stat', 'get', kind, name));
      }
    },

    async *list(kind) {
      const Prefix = kind === 'config' ? `${base}config` : `${base}${kind}/`;
      let ContinuationToken: string | undefined;
      do {
        const page = await client
          .send(new ListObjectsV2Command({ Bucket: place.bucket, Prefix, ContinuationToken }))
          .catch((error: unknown) => Promise.reject(s3Failure(error, attempt('list', 'list', kind, ''))));
        await limit.take((page.Contents?.length ?? 0) * listedBytes);
        for (const { Key = '', Size = 0 } of page.Contents ?? []) {
          const name = nameIn(kind, Key.slice(base.length));
          if (name !== undefined) yield { name, size: Size };
        }
        ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
      } while (ContinuationToken !== undefined);
    },

    remove: (kind, name) =>
      locking ? locking.remove(kind, name) : objects.remove(`${base}${keyOf(kind, name)}`, attempt('remove', 'delete', kind, name)),

    async close() {
      connection.close();
    },
  };
}

/** About what one object costs in the XML of a listing, for the bandwidth limit. */
const listedBytes = 300;

/** Whole objects by key: what backend, marker and probe have in common. */
export function s3Objects({ place, connection: { client }, limit }: Pick<S3Options, 'place' | 'connection' | 'limit'>) {
  const Bucket = place.bucket;
  return {
    /** `until` (ms): nobody can remove it before. Answers the version where the bucket keeps any. */
    async put(Key: string, bytes: Uint8Array, attempt: S3Attempt, until?: number): Promise<string | undefined> {
      const Body = paced(bytes, limit);
      const ContentMD5 = hash('md5', bytes, 'base64');
      try {
        const stored = await client.send(
          new PutObjectCommand({ Bucket, Key, Body, ContentLength: bytes.length, ContentMD5, ...lockFields(until) }),
        );
        return stored.VersionId;
      } catch (error) {
        throw s3Failure(error, attempt);
      } finally {
        Body.destroy();
      }
    },

    async get(Key: string, range: { offset: number; length: number } | undefined, attempt: S3Attempt, VersionId?: string): Promise<Buffer> {
      const { kind, name, location } = attempt;
      try {
        const Range = range === undefined ? undefined : `bytes=${range.offset}-${range.offset + range.length - 1}`;
        const answer = await client.send(new GetObjectCommand({ Bucket, Key, ...(Range && { Range }), ...(VersionId && { VersionId }) }));
        const body = answer.Body as Readable;
        if (range !== undefined && (answer.ContentRange === undefined || (answer.ContentLength ?? 0) > range.length)) {
          body.destroy();
          throw failure('BACKEND_FAILED', { operation: 'load', kind, name, location, detail: 'the server ignores ranges' });
        }
        const bytes = await collect(body, answer.ContentLength, limit);
        if (range !== undefined && bytes.length !== range.length) fail('BACKEND_SHORT', { kind, name, location });
        return bytes;
      } catch (error) {
        throw s3Failure(error, attempt);
      }
    },

    async remove(Key: string, attempt: S3Attempt, VersionId?: string): Promise<void> {
      try {
        await client.send(new DeleteObjectCommand({ Bucket, Key, ...(VersionId && { VersionId }) }));
      } catch (error) {
        // Keys that may not remove versions may still hide the object.
        if (VersionId !== undefined && statusOf(error) === 403) return await this.remove(Key, attempt);
        const failed = s3Failure(error, attempt);
        if (failed instanceof Transient || (failed as { code?: string }).code !== 'BACKEND_NOT_FOUND') throw failed;
      }
    },
  };
}

export function lockFields(until: number | undefined) {
  return until === undefined ? {} : ({ ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: new Date(until) } as const);
}

/** The bytes as a stream that the limit lets through piece by piece; a limit changed meanwhile is felt at the next piece. */
function paced(bytes: Uint8Array, limit: Limit): Readable {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  return new Readable({
    highWaterMark: 64 * 1024,
    read() {
      const piece = view.subarray(at, at + limit.grain());
      if (piece.length === 0) {
        this.push(null);
        return;
      }
      at += piece.length;
      limit.take(piece.length).then(() => this.destroyed || this.push(piece));
    },
  });
}

/**
 * Reads a body of the `length` that its head announced (undefined: it announced none). A body that ends early was cut off on the way: an error
 * without a status, so it is tried again.
 */
async function collect(body: Readable, length: number | undefined, limit: Limit): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let have = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    pieces.push(piece);
    have += piece.length;
    for (let left = piece.length; left > 0; left -= limit.grain()) await limit.take(Math.min(left, limit.grain()));
  }
  if (length !== undefined && have !== length) throw new Error(`the answer broke off after ${have} of ${length} bytes`);
  return Buffer.concat(pieces, have);
}
