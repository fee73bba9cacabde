// One object into a bucket: whole in one request, or a big one in parts. What arrives is checked by the store against its MD5.

import { createHash, hash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { fail } from '../../base/errors.ts';
import type { ContentReader } from '../../ports/target.ts';
import type { BackedUp } from './backed-up.ts';
import type { BucketDoor } from './door.ts';

const mib = 1 << 20;

/** Up to so many bytes an object is one request. */
const wholeSize = 64 * mib;

/** A part of a bigger one; more where an object would have more than the 10,000 parts that S3 allows. */
function partSize(size: number): number {
  let part = 16 * mib;
  while (size > 9000 * part) part *= 2;
  return part;
}

/** Bytes of memory that putting an object takes. */
export const weightOf = ({ size }: BackedUp): number => (size <= wholeSize ? size : partSize(size));

/** Throws BUCKET_FAILED, and what the reader throws. */
export async function putObject(door: BucketDoor, object: BackedUp, reader: ContentReader): Promise<void> {
  const Key = door.prefix + object.key;
  const params = { Bucket: door.bucket, Key, ...paramsOf(object) };
  const attempt = attemptOn(object, Key);
  if (object.size > wholeSize) return inParts(door, object, reader, params);
  const [Body = Buffer.alloc(0)] = await Array.fromAsync(pieces(object, reader, wholeSize));
  const ContentMD5 = hash('md5', Body, 'base64');
  await door.ask(attempt, (client, options) => client.send(new PutObjectCommand({ ...params, Body, ContentMD5 }), options));
}

async function inParts(
  door: BucketDoor,
  object: BackedUp,
  reader: ContentReader,
  params: { readonly Bucket: string; readonly Key: string } & ReturnType<typeof paramsOf>,
): Promise<void> {
  const { Tagging, ...untagged } = params;
  const { Bucket, Key } = params;
  const attempt = attemptOn(object, Key);
  const { UploadId } = await door.ask(attempt, (client, options) => client.send(new CreateMultipartUploadCommand(untagged), options));
  const upload = { Bucket, Key, UploadId };
  try {
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for await (const Body of pieces(object, reader, partSize(object.size))) {
      const PartNumber = Parts.length + 1;
      const part = { ...upload, PartNumber, Body, ContentMD5: hash('md5', Body, 'base64') };
      const { ETag } = await door.ask(attempt, (client, options) => client.send(new UploadPartCommand(part), options));
      Parts.push({ PartNumber, ETag });
    }
    const all = { ...upload, MultipartUpload: { Parts } };
    await door.ask(attempt, (client, options) => client.send(new CompleteMultipartUploadCommand(all), options));
  } catch (error) {
    // Parts that nobody puts together cost their owner money for ever.
    await door.client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw error;
  }
  if (Tagging === undefined) return;
  // Not with the upload itself: radosgw takes no tags there.
  const TagSet = Object.entries(object.attributes.tags).map(([Key, Value]) => ({ Key, Value }));
  await door.ask({ ...attempt, right: 's3:PutObjectTagging' }, (client, options) => {
    return client.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet } }), options);
  });
}

/** Whether the content has this ETag (MD5, or that of our parts): then the very bytes are there, whoever put them. */
export async function hasEtag(etag: string, object: BackedUp, reader: ContentReader): Promise<boolean> {
  if (etag === object.attributes.etag) return true;
  const part = partSize(object.size);
  const [, count] = /^[0-9a-f]{32}(?:-(\d+))?$/.exec(etag) ?? [etag, 'none'];
  if (count === undefined) {
    const md5 = createHash('md5');
    for await (const piece of reader.stream(object.content)) md5.update(piece);
    return md5.digest('hex') === etag;
  }
  if (Number(count) !== Math.ceil(object.size / part)) return false;
  const parts = createHash('md5');
  for await (const piece of pieces(object, reader, part)) parts.update(hash('md5', piece, 'buffer'));
  return `${parts.digest('hex')}-${count}` === etag;
}

/** The content in pieces of `size`, the last one shorter; each in memory of its own. */
async function* pieces(object: BackedUp, reader: ContentReader, size: number): AsyncGenerator<Buffer> {
  let left = object.size;
  let piece = Buffer.allocUnsafe(Math.min(size, left));
  let filled = 0;
  for await (const block of reader.stream(object.content)) {
    for (let at = 0; at < block.length; ) {
      const copied = block.copy(piece, filled, at);
      if (copied === 0) damaged(object);
      at += copied;
      filled += copied;
      if (filled < piece.length) continue;
      yield piece;
      left -= filled;
      piece = Buffer.allocUnsafe(Math.min(size, left));
      filled = 0;
    }
  }
  if (left > 0) damaged(object);
}

/** A node that says another size than its blocks have. */
function damaged({ key }: BackedUp): never {
  fail('REPO_DAMAGED', { kind: 'object', name: key, detail: 'its blocks have not the size that its entry says' });
}

function attemptOn({ attributes }: BackedUp, key: string) {
  const tagged = Object.keys(attributes.tags).length > 0;
  return { operation: 'write', right: tagged ? 's3:PutObject or s3:PutObjectTagging' : 's3:PutObject', key };
}

function paramsOf({ attributes: { headers, metadata, tags } }: BackedUp) {
  const { Expires, ...texts } = headers;
  const expires = new Date(Expires ?? '');
  const pairs = Object.entries(tags).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return {
    ...texts,
    ...(Number.isNaN(expires.getTime()) ? {} : { Expires: expires }),
    Metadata: { ...metadata },
    ...(pairs.length > 0 ? { Tagging: pairs.join('&') } : {}),
  };
}
