// A bucket of a real object store, filled and looked at with a client of the test's own.
import { createHash } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Credentials, S3Place } from '../../src/model/pool.ts';
import type { BucketSource, BucketTarget } from '../../src/model/service.ts';
import { connectS3 } from '../../src/s3/client.ts';
import type { Radosgw, RadosgwUser } from './radosgw.ts';

export type Put = Partial<Omit<PutObjectCommandInput, 'Bucket' | 'Key'>>;

/** An object as anybody sees it. */
export interface Seen {
  readonly sha256: string;
  readonly size: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
}

export interface Bucket {
  readonly name: string;
  readonly client: S3Client;
  put(key: string, body: string | Buffer, more?: Put): Promise<void>;
  remove(key: string): Promise<void>;
  versioned(): Promise<void>;
  /** All keys, in the store's order. */
  keys(): Promise<string[]>;
  /** Every object by key. */
  seen(): Promise<Map<string, Seen>>;
  source(changes?: Partial<S3Place>, more?: Partial<Pick<BucketSource, 'versions' | 'credentials'>>): BucketSource;
  target(more?: Partial<Omit<BucketTarget, 'kind' | 'place'>>, changes?: Partial<S3Place>): BucketTarget;
  close(): void;
}

/** Sixteen side by side. */
export async function inGroups<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < all.length; at += 16) await Promise.all(all.slice(at, at + 16).map(work));
}

let count = 0;

export async function makeBucket(store: Radosgw, owner: RadosgwUser = store): Promise<Bucket> {
  const name = `objects-${++count}`;
  const { accessKey, secretKey } = owner;
  const credentials: Credentials = { accessKey, secretKey };
  const place = { type: 's3', endpoint: store.endpoint, bucket: name, prefix: '', region: '', addressing: 'path', caPem: '' } as const;
  const { client, close } = connectS3(place, credentials);
  await client.send(new CreateBucketCommand({ Bucket: name }));

  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for (let token: string | undefined, more = true; more; ) {
      const page = await client.send(new ListObjectsV2Command({ Bucket: name, EncodingType: 'url', ContinuationToken: token }));
      found.push(...(page.Contents ?? []).map(({ Key }) => decodeURIComponent(Key!)));
      token = page.NextContinuationToken;
      more = page.IsTruncated === true;
    }
    return found;
  };
  const look = async (Key: string): Promise<Seen> => {
    const answer = await client.send(new GetObjectCommand({ Bucket: name, Key }));
    const body = Buffer.from(await answer.Body!.transformToByteArray());
    const { TagSet = [] } = await client.send(new GetObjectTaggingCommand({ Bucket: name, Key }));
    const { ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, ExpiresString } = answer;
    return {
      sha256: createHash('sha256').update(body).digest('hex'),
      size: body.length,
      headers: { ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, ExpiresString },
      metadata: answer.Metadata ?? {},
      tags: TagSet.map((tag) => `${tag.Key}=${tag.Value}`).sort(),
    };
  };
  return {
    name,
    client,
    put: async (Key, Body, more = {}) => void (await client.send(new PutObjectCommand({ Bucket: name, Key, Body, ...more }))),
    remove: async (Key) => void (await client.send(new DeleteObjectCommand({ Bucket: name, Key }))),
    versioned: async () => {
      await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: 'Enabled' } }));
    },
    keys,
    seen: async () => {
      const all = new Map<string, Seen>();
      const names = await keys();
      for (const key of names) all.set(key, { sha256: '', size: 0, headers: {}, metadata: {}, tags: [] }); // in this order
      await inGroups(names, async (key) => void all.set(key, await look(key)));
      return all;
    },
    source: (changes = {}, more = {}) => ({
      kind: 'bucket',
      method: 'snapshot',
      place: { ...place, ...changes },
      credentials,
      versions: false,
      ...more,
    }),
    target: (more = {}, changes = {}) => ({
      kind: 'bucket',
      place: { ...place, ...changes },
      credentials,
      include: [],
      overwrite: 'always',
      ...more,
    }),
    close,
  };
}
