// Pools that are buckets. Importing this file loads the AWS SDK.

import { hash } from 'node:crypto';
import { join } from 'node:path';
import { CreateBucketCommand, HeadBucketCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { fail, isCode } from '../base/errors.ts';
import type { S3Place } from '../model/pool.ts';
import type { ProbeStep } from '../ports/backend.ts';
import { connectS3, keyPrefix, locationOf, type S3Connection } from '../s3/client.ts';
import { type S3Attempt, s3CodeOf, s3Failure, statusOf } from '../s3/errors.ts';
import { lockMemory } from './lock-memory.ts';
import { checkMarker, markerBytes, markerName, poolIn } from './marker.ts';
import { type ProbeDoor, tryRights } from './probe.ts';
import { type PoolDeps, type PoolDoor, type PoolProvider, placeOf, type VaultAccess } from './provider.ts';
import { s3Backend, s3Objects } from './s3.ts';
import { needObjectLock } from './s3-locking.ts';
import { recoverPast, s3Past } from './s3-past.ts';

const dayMs = 24 * 60 * 60_000;

export const s3Pool: PoolProvider = {
  type: 's3',

  async open(vault, deps) {
    const place = placeOf(vault.pool, 's3');
    const connection = connectS3(place, vault.pool.credentials, deps.network);
    try {
      const { id } = vault.pool;
      // An attacker may have taken the marker, too: what was is looked at without it.
      if (vault.at === undefined && id !== undefined) checkMarker(await readMarker(place, connection, deps), id, locationOf(place));
      const options = { place, path: vault.path, connection, limit: deps.limit };
      if (vault.at !== undefined) return s3Past(options, vault.at);
      if (!vault.immutableDays) return s3Backend(options);
      await needObjectLock(place, connection);
      return s3Backend({ ...options, locked: lockedFor(vault, vault.immutableDays, deps) });
    } catch (error) {
      connection.close();
      throw error;
    }
  },

  probe: (pool, create, deps) =>
    connected(pool, deps, async (place, connection) => {
      const made = await needBucket(place, connection, create, pool.objectLock);
      const steps = [...made, ...(await tryRights(bucketDoor(place, connection, deps)))];
      const poolTime = connection.serverTime();
      return poolTime === undefined ? { steps } : { steps, poolTime };
    }),

  bind: (pool, id, create, deps) =>
    connected(pool, deps, async (place, connection) => {
      await needBucket(place, connection, create, pool.objectLock);
      if ((await readMarker(place, connection, deps)) === undefined) await writeMarker(place, connection, deps, id);
      checkMarker(await readMarker(place, connection, deps), id, locationOf(place));
    }),

  recover: (vault, recovery, deps) =>
    connected(vault.pool, deps, async (place, connection) => {
      const { immutableDays, path } = vault;
      const locked = immutableDays ? { locked: lockedFor(vault, immutableDays, deps) } : {};
      const report = await recoverPast({ place, path, connection, limit: deps.limit, ...locked }, recovery.at, recovery);
      const { id } = vault.pool;
      if (id && !recovery.dryRun && (await readMarker(place, connection, deps)) !== id) {
        const objects = s3Objects({ place, connection, limit: deps.limit });
        await objects.put(`${keyPrefix(place)}${markerName}`, markerBytes(id), attemptOn(place, 'write', 'put', markerName));
      }
      return report;
    }),

  markerOf: (pool, deps) => connected(pool, deps, (place, connection) => readMarker(place, connection, deps)),
};

function lockedFor({ pool, path }: VaultAccess, days: number, { lockMemory: directory }: PoolDeps) {
  const name = hash('sha256', locationOf(placeOf(pool, 's3'), path)).slice(0, 16);
  return { period: days * dayMs, memory: lockMemory(directory === undefined ? undefined : join(directory, `locked-${name}.json`)) };
}

async function connected<T>(pool: PoolDoor, deps: PoolDeps, act: (place: S3Place, connection: S3Connection) => Promise<T>): Promise<T> {
  const place = placeOf(pool, 's3');
  const connection = connectS3(place, pool.credentials, deps.network);
  try {
    return await act(place, connection);
  } finally {
    connection.close();
  }
}

function attemptOn(place: S3Place, operation: string, right: string, name: string): S3Attempt {
  return { operation, right, kind: 'pool', name, location: locationOf(place) };
}

/** Throws POOL_NOT_FOUND where there is no bucket and none is to be made. Keys that may not ask for the bucket may still use it. */
async function needBucket(place: S3Place, connection: S3Connection, create: boolean, objectLock = false): Promise<ProbeStep[]> {
  const { client } = connection;
  const Bucket = place.bucket;
  try {
    await client.send(new HeadBucketCommand({ Bucket }));
    if (objectLock) await needObjectLock(place, connection);
    return create ? [{ right: 'create', ok: true, detail: 'the bucket exists already' }] : [];
  } catch (error) {
    if (statusOf(error) === 403) return [];
    if (statusOf(error) !== 404) throw s3Failure(error, attemptOn(place, 'open', 'list', Bucket));
  }
  if (!create) fail('POOL_NOT_FOUND', { location: locationOf(place) });
  try {
    await client.send(new CreateBucketCommand({ Bucket, ...(objectLock && { ObjectLockEnabledForBucket: true }) }));
  } catch (error) {
    if (s3CodeOf(error) !== 'BucketAlreadyOwnedByYou') throw s3Failure(error, attemptOn(place, 'create', 'create', Bucket));
  }
  return [{ right: 'create', ok: true }];
}

async function readMarker(place: S3Place, connection: S3Connection, deps: PoolDeps): Promise<string | undefined> {
  const objects = s3Objects({ place, connection, limit: deps.limit });
  try {
    return poolIn(await objects.get(`${keyPrefix(place)}${markerName}`, undefined, attemptOn(place, 'read', 'get', markerName)));
  } catch (error) {
    if (isCode(error, 'BACKEND_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Of two agents that bind at the same time one wins, where the store knows conditional writes. */
async function writeMarker(place: S3Place, connection: S3Connection, deps: PoolDeps, id: string): Promise<void> {
  const Key = `${keyPrefix(place)}${markerName}`;
  const attempt = attemptOn(place, 'write', 'put', markerName);
  try {
    await connection.client.send(new PutObjectCommand({ Bucket: place.bucket, Key, Body: markerBytes(id), IfNoneMatch: '*' }));
  } catch (error) {
    // Somebody else was faster: the caller reads whose marker it is.
    if (statusOf(error) === 412 || statusOf(error) === 409) return;
    if (s3CodeOf(error) !== 'NotImplemented') throw s3Failure(error, attempt);
    await s3Objects({ place, connection, limit: deps.limit }).put(Key, markerBytes(id), attempt);
  }
}

function bucketDoor(place: S3Place, connection: S3Connection, deps: PoolDeps): ProbeDoor {
  const objects = s3Objects({ place, connection, limit: deps.limit });
  const prefix = keyPrefix(place);
  /** Of what was put: where a bucket keeps versions, nothing of a probe is to stay. */
  let version: string | undefined;
  return {
    async put(name, bytes) {
      version = await objects.put(prefix + name, bytes, attemptOn(place, 'put', 'put', name));
    },
    get: (name) => objects.get(prefix + name, undefined, attemptOn(place, 'get', 'get', name)),
    range: (name, offset, length) => objects.get(prefix + name, { offset, length }, attemptOn(place, 'get', 'get', name)),
    remove: (name) => objects.remove(prefix + name, attemptOn(place, 'delete', 'delete', name), version),
    async list(name) {
      try {
        const page = await connection.client.send(new ListObjectsV2Command({ Bucket: place.bucket, Prefix: prefix + name }));
        return (page.Contents ?? []).map(({ Key = '' }) => Key.slice(prefix.length));
      } catch (error) {
        throw s3Failure(error, attemptOn(place, 'list', 'list', name));
      }
    },
  };
}
