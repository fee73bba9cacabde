// What becomes of one object: is it there already, and is it the same?

import { isDeepStrictEqual } from 'node:util';
import { GetObjectTaggingCommand, HeadObjectCommand, type HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { Overwrite } from '../../model/restore.ts';
import type { ContentReader } from '../../ports/target.ts';
import { statusOf } from '../../s3/errors.ts';
import { attributesOf, bareEtag, sortedRecord } from './attributes.ts';
import type { BackedUp } from './backed-up.ts';
import type { BucketDoor } from './door.ts';
import { hasEtag } from './put.ts';

/** `write`: not asked what is there. */
export type Decision = 'write' | 'create' | 'replace' | 'keep';

/** Throws BUCKET_FAILED, and what the reader throws. */
export async function decide(door: BucketDoor, object: BackedUp, overwrite: Overwrite, reader: ContentReader): Promise<Decision> {
  if (overwrite === 'always') return 'write';
  const head = await headOf(door, object);
  if (head === undefined) return 'create';
  if (overwrite === 'never') return 'keep';
  return (await isSame(door, object, head, reader)) ? 'keep' : 'replace';
}

async function headOf(door: BucketDoor, { key }: BackedUp): Promise<HeadObjectCommandOutput | undefined> {
  const Key = door.prefix + key;
  return door.ask({ operation: 'look at', right: 's3:GetObject', key: Key }, async (client, options) => {
    try {
      return await client.send(new HeadObjectCommand({ Bucket: door.bucket, Key }), options);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  });
}

async function isSame(door: BucketDoor, object: BackedUp, head: HeadObjectCommandOutput, reader: ContentReader): Promise<boolean> {
  const { attributes } = object;
  const there = attributesOf(head, {});
  if (head.ContentLength !== object.size) return false;
  if (!isDeepStrictEqual(there.headers, attributes.headers) || !isDeepStrictEqual(there.metadata, attributes.metadata)) return false;
  if (!isDeepStrictEqual(await tagsOf(door, object, head), attributes.tags)) return false;
  return hasEtag(bareEtag(head.ETag), object, reader);
}

/** Asked for only where one of the two has tags. */
async function tagsOf(door: BucketDoor, { key, attributes }: BackedUp, head: HeadObjectCommandOutput): Promise<Record<string, string>> {
  if (Object.keys(attributes.tags).length === 0 && !head.TagCount) return {};
  const Key = door.prefix + key;
  const attempt = { operation: 'read the tags of', right: 's3:GetObjectTagging', key: Key };
  const { TagSet = [] } = await door.ask(attempt, (client, options) => {
    return client.send(new GetObjectTaggingCommand({ Bucket: door.bucket, Key }), options);
  });
  return sortedRecord(Object.fromEntries(TagSet.map(({ Key: name = '', Value = '' }) => [name, Value])));
}
