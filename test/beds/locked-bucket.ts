// A bucket with Object Lock, and somebody who has the agent's own keys and means harm.
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { PoolAccess, S3Place } from '../../src/model/pool.ts';
import { connectS3 } from '../../src/s3/client.ts';
import type { Radosgw } from './radosgw.ts';

export interface LockedBucket {
  readonly pool: PoolAccess;
  readonly client: S3Client;
  /** Versions of objects (no delete markers) by key. */
  versions(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Until when (ms) a version is locked; 0 for not. */
  lockedUntil(key: string, version?: string): Promise<number>;
  /** Everything that the keys are good for; answers the attempts that the store refused, by name. */
  attack(): Promise<ReadonlyMap<string, number>>;
  close(): void;
}

let count = 0;

export async function lockedBucket(store: Radosgw, objectLock = true): Promise<LockedBucket> {
  const Bucket = `locked-${++count}`;
  const { endpoint, accessKey, secretKey } = store;
  const place: S3Place = { type: 's3', endpoint, bucket: Bucket, prefix: '', region: '', addressing: 'path', caPem: '' };
  const credentials = { accessKey, secretKey };
  const { client, close } = connectS3(place, credentials);
  await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: objectLock }));

  const list = async () => {
    const all: { readonly key: string; readonly id: string; readonly deleted: boolean }[] = [];
    for (let next: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}; next; ) {
      const page: Awaited<ReturnType<typeof listPage>> = await listPage(next);
      all.push(...(page.Versions ?? []).map(({ Key, VersionId }) => ({ key: Key!, id: VersionId!, deleted: false })));
      all.push(...(page.DeleteMarkers ?? []).map(({ Key, VersionId }) => ({ key: Key!, id: VersionId!, deleted: true })));
      next = page.IsTruncated ? { KeyMarker: page.NextKeyMarker!, VersionIdMarker: page.NextVersionIdMarker! } : undefined;
    }
    return all;
  };
  const listPage = (next: object) => client.send(new ListObjectVersionsCommand({ Bucket, ...next }));

  const attack = async () => {
    const refused = new Map<string, number>();
    const attempt = async (what: string, work: () => Promise<unknown>) => {
      try {
        await work();
      } catch {
        refused.set(what, (refused.get(what) ?? 0) + 1);
      }
    };
    const there = await list();
    const soon = new Date(Date.now() + 2000);
    await attempt('versioning', () =>
      client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Suspended' } })),
    );
    const Rules = [
      {
        ID: 'all',
        Status: 'Enabled' as const,
        Filter: { Prefix: '' },
        Expiration: { Days: 1 },
        NoncurrentVersionExpiration: { NoncurrentDays: 1 },
      },
    ];
    await attempt('lifecycle', () =>
      client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } })),
    );
    for (const { key: Key, id: VersionId, deleted } of there) {
      if (deleted) continue;
      for (const Mode of ['COMPLIANCE', 'GOVERNANCE'] as const)
        await attempt(`shorten ${Mode}`, () =>
          client.send(
            new PutObjectRetentionCommand({
              Bucket,
              Key,
              VersionId,
              BypassGovernanceRetention: true,
              Retention: { Mode, RetainUntilDate: soon },
            }),
          ),
        );
    }
    for (const { key: Key, id: VersionId } of there)
      await attempt('delete version', () =>
        client.send(new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention: true })),
      );
    // What is still there is overwritten, and every other one deleted as well.
    for (const [i, Key] of [...new Set(there.map(({ key }) => key))].sort().entries()) {
      await attempt('overwrite', () => client.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from(`rubbish for ${Key}`) })));
      if (i % 2 === 0) await attempt('delete', () => client.send(new DeleteObjectCommand({ Bucket, Key })));
    }
    return refused;
  };

  return {
    pool: { place, credentials, bandwidth: 0 },
    client,
    async versions() {
      const found = new Map<string, string[]>();
      for (const { key, id, deleted } of await list()) if (!deleted) found.set(key, [...(found.get(key) ?? []), id]);
      return found;
    },
    async lockedUntil(Key, VersionId) {
      try {
        const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket, Key, ...(VersionId && { VersionId }) }));
        return Retention?.RetainUntilDate?.getTime() ?? 0;
      } catch {
        return 0;
      }
    },
    attack,
    close,
  };
}
