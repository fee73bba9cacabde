// Doors to buckets of a radosgw, for tests of what stores in S3.
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import type { PoolDoor } from '../../src/backends/provider.ts';
import type { S3Place } from '../../src/model/pool.ts';
import { connectS3 } from '../../src/s3/client.ts';
import type { Radosgw, RadosgwUser } from './radosgw.ts';

export type DoorChanges = Partial<Omit<S3Place, 'type'>> & { readonly id?: string; readonly user?: RadosgwUser };

/** A pool under some/prefix of a bucket, with the first user's keys. */
export function doorTo(store: Radosgw, { id, user = store, ...place }: DoorChanges): PoolDoor {
  const here = {
    type: 's3',
    endpoint: store.endpoint,
    bucket: '',
    prefix: 'some/prefix',
    region: '',
    addressing: 'path',
    caPem: '',
  } as const;
  const { accessKey, secretKey } = user;
  return { place: { ...here, ...place }, credentials: { accessKey, secretKey }, bandwidth: 0, ...(id === undefined ? {} : { id }) };
}

let buckets = 0;

/** Makes a bucket and gives its name. */
export async function newBucketIn(store: Radosgw): Promise<string> {
  const bucket = `bucket-${++buckets}`;
  const { client, close } = connectS3(doorTo(store, { bucket }).place as S3Place, store);
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  close();
  return bucket;
}
