// One object as an entry of a backup: its bytes by GET, begun again where the line broke; its attributes learnt by the way.

import type { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput, GetObjectTaggingCommand } from '@aws-sdk/client-s3';
import { backoff } from '../../base/backoff.ts';
import { gate } from '../../base/lane.ts';
import type { ExtendedAttribute, Node, NodeTime } from '../../model/node.ts';
import type { Chunking } from '../../ports/blob.ts';
import type { Entry, Warn } from '../../ports/source.ts';
import { virtualMeta } from '../../ports/virtual-entry.ts';
import { s3CodeOf, statusOf } from '../../s3/errors.ts';
import { type Attributes, attributesOf, bareEtag, noAttributes, pack, unpack } from './attributes.ts';
import { type BucketDoor, printable } from './door.ts';
import type { Listed } from './listing.ts';

/** What is known of an object only once it was read, or found to be as in the last backup. */
interface Learnt {
  time: NodeTime;
  xattrs: readonly ExtendedAttribute[];
  leftOut: boolean;
}

export interface ObjectReader {
  entry(name: string, listed: Listed): Entry;
}

export function objectReader(door: BucketDoor, warn: Warn): ObjectReader {
  const tagsOf = tagReader(door, warn);
  const large = gate(largeAtOnce);

  async function* read(listed: Listed, learnt: Learnt): AsyncGenerator<Uint8Array> {
    const key = door.prefix + listed.key;
    const attempt = { operation: 'read', right: listed.version === undefined ? 's3:GetObject' : 's3:GetObjectVersion', key };
    const which = { Bucket: door.bucket, Key: key, ...(listed.version === undefined ? {} : { VersionId: listed.version }) };
    let answer: GetObjectCommandOutput | undefined;
    let body: AsyncIterator<Uint8Array> | undefined;
    let at = 0;
    let total = 0;

    const begin = async (): Promise<AsyncIterator<Uint8Array>> => {
      // Once bytes went on, the rest must be of the same object.
      const rest = at === 0 ? {} : { Range: `bytes=${at}-`, IfMatch: answer!.ETag };
      const next = await door.client.send(new GetObjectCommand({ ...which, ...rest }), { abortSignal: door.signal });
      if (at > 0 && !next.ContentRange?.startsWith(`bytes ${at}-`))
        throw new Unusable('it broke off, and the store cannot go on in the middle');
      if (at === 0) {
        answer = next;
        total = next.ContentLength ?? 0;
      }
      return (next.Body as Readable)[Symbol.asyncIterator]();
    };
    const step = async (): Promise<Uint8Array | undefined> => {
      try {
        if (answer && at > 0 && at === total) return undefined;
        body ??= await begin();
        const next = await body.next();
        if (!next.done) return next.value;
        if (at !== total) throw new Error(`the answer broke off after ${at} of ${total} bytes`);
        return undefined;
      } catch (error) {
        body = undefined;
        const reason = unusable(error, at);
        if (reason !== undefined) throw new Unusable(reason);
        throw door.told(error, attempt);
      }
    };

    learnt.leftOut = false;
    const turn = listed.size > smallest ? 1 : 0;
    await large.enter(turn);
    try {
      const tags = tagsOf(which);
      tags.catch(() => undefined); // seen once the bytes are read
      for (let piece = await backoff(step, door.patience); piece; piece = await backoff(step, door.patience)) {
        at += piece.length;
        yield piece;
      }
      learn(learnt, listed, attributesOf(answer!, await tags), answer!.LastModified);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      warn({ item: printable(key), detail: `${error.message}: it is left out` });
      learnt.leftOut = true;
    } finally {
      large.leave(turn);
      await body?.return?.();
    }
  }

  return {
    entry(name, listed) {
      const learnt: Learnt = { time: nodeTime(listed.modified), xattrs: [], leftOut: false };
      const meta = {
        ...virtualMeta(name, 'file', learnt.time, listed.size),
        get mtime() {
          return learnt.time;
        },
        get atime() {
          return learnt.time;
        },
        get ctime() {
          return learnt.time;
        },
        get xattrs() {
          return learnt.xattrs;
        },
      };
      if (listed.deleted) {
        learnt.xattrs = pack({ ...noAttributes, etag: '', ...(listed.version && { version: listed.version }), deleted: true });
        return { kind: 'file', meta, content: { kind: 'stored', content: [], size: 0 } };
      }
      const same = (before: Node): boolean => {
        if (before.size !== listed.size || !sameTime(before.mtime, nodeTime(listed.modified))) return false;
        const attributes = unpack(before);
        if (attributes?.etag !== listed.etag) return false;
        learnt.xattrs = before.xattrs;
        return true;
      };
      const content = {
        kind: 'stream',
        chunking: chunkingOf(listed.size),
        open: () => read(listed, learnt),
        same,
        leftOut: () => learnt.leftOut,
      } as const;
      return { kind: 'file', meta, content };
    },
  };
}

/** Below this nothing is cut by content, and a buffer for one block is enough. */
const smallest = 512 << 10;

/** The others need a buffer of some blocks each, of 8 MiB. */
const largeAtOnce = 3;

const chunkingOf = (size: number): Chunking => (size <= smallest ? { kind: 'fixed', size: smallest } : { kind: 'content' });

/** An object that cannot be part of the backup, while the others can. */
class Unusable extends Error {}

function unusable(error: unknown, at: number): string | undefined {
  if (error instanceof Unusable) return error.message;
  const code = s3CodeOf(error);
  const status = statusOf(error);
  if (code === 'InvalidObjectState') return 'it is archived and must be restored by its store first';
  if (status === 412) return 'it changed while it was read';
  if (status === 404 && code !== 'NoSuchBucket') return at === 0 ? 'it was deleted before it was read' : 'it was deleted while it was read';
  // Encrypted with a key of the customer's own, or what else a store wants to be asked for in another way.
  return status === 400 && code === 'InvalidRequest' ? String((error as Error).message) : undefined;
}

/** The time of the listing is finer than that of a header; but another object may have come in between. */
function learn(learnt: Learnt, listed: Listed, attributes: Attributes, modified: Date | undefined): void {
  const read = modified?.getTime() ?? listed.modified;
  const asListed = bareEtag(attributes.etag) === listed.etag && Math.floor(read / 1000) === Math.floor(listed.modified / 1000);
  learnt.time = nodeTime(asListed ? listed.modified : read);
  learnt.xattrs = pack(attributes);
}

interface Which {
  readonly Bucket: string;
  readonly Key: string;
  readonly VersionId?: string;
}

/** Tags by name. A key that may not read them, or a store that has none, is told once and not asked again. */
function tagReader(door: BucketDoor, warn: Warn): (which: Which) => Promise<Readonly<Record<string, string>>> {
  let asks = true;
  return async (which) => {
    if (!asks) return {};
    const attempt = { operation: 'read the tags of', right: 's3:GetObjectTagging', key: which.Key };
    const answer = await door.ask(attempt, async (client, options) => {
      try {
        return await client.send(new GetObjectTaggingCommand(which), options);
      } catch (error) {
        const status = statusOf(error);
        if (status === 404) return undefined; // whoever reads the object tells
        if (![400, 403, 405, 501].includes(status)) throw error;
        if (asks) warn({ item: door.location, detail: `tags are left out: ${door.told(error, attempt).message}` });
        asks = false;
        return undefined;
      }
    });
    return Object.fromEntries((answer?.TagSet ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
  };
}

const nodeTime = (ms: number): NodeTime => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 });
const sameTime = (a: NodeTime, b: NodeTime): boolean => a.seconds === b.seconds && a.nanos === b.nanos;
