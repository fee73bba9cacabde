// Files that nobody can destroy before their time: S3 Object Lock in compliance mode, which knows no key that may bypass it.
// Importing this file loads the AWS SDK.
import { hash } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { backoff } from '../base/backoff.ts';
import { fail, isCode } from '../base/errors.ts';
import { backgroundLane } from '../base/lane.ts';
import type { S3Place } from '../model/pool.ts';
import type { Extended, FileKind, Locking } from '../ports/backend.ts';
import { locationOf, type S3Connection } from '../s3/client.ts';
import { s3CodeOf, s3Failure, statusOf } from '../s3/errors.ts';
import { keyOf } from './layout.ts';
import type { LockMemory } from './lock-memory.ts';
import { attemptOn, type Version, type VersionsDoor, versionsOf } from './s3-versions.ts';

export interface LockingOptions extends VersionsDoor {
  /** How long (ms) what is in use stays locked at least. */
  readonly period: number;
  readonly memory: LockMemory;
  /** The whole bytes of a file as a reader gets them. */
  readonly load: (kind: FileKind, name: string) => Promise<Uint8Array>;
}

export interface S3Locking extends Locking {
  /** Until when a file that is saved now is to be locked. */
  untilFor(kind: FileKind): number;
  /** Removes every version. Throws VAULT_IMMUTABLE while one is locked. */
  remove(kind: FileKind, name: string): Promise<void>;
}

/** Requests at a time. */
const atOnce = 16;
const kinds = ['snapshots', 'index', 'data', 'keys', 'config', 'locks'] as const satisfies readonly FileKind[];

export function s3Locking(options: LockingOptions): S3Locking {
  const { place, connection, base, memory, period } = options;
  const { client, now } = connection;
  const Bucket = place.bucket;
  /** A third more than is needed, so that a file in use is touched once in a while and not at every backup. */
  const generous = period + period / 3;
  /** The record, which is locked for the period, is written a while after its data are found locked. */
  const needed = period + period / 24;
  const keyFor = (kind: FileKind, name: string) => `${base}${keyOf(kind, name)}`;

  const askRetention = async (kind: FileKind, name: string, version: Version): Promise<number> => {
    try {
      const answer = await client.send(
        new GetObjectRetentionCommand({ Bucket, Key: keyFor(kind, name), ...(version.id !== 'null' && { VersionId: version.id }) }),
      );
      // Only compliance mode binds everybody.
      return answer.Retention?.Mode === 'COMPLIANCE' ? (answer.Retention.RetainUntilDate?.getTime() ?? 0) : 0;
    } catch (error) {
      if (s3CodeOf(error) === 'NoSuchObjectLockConfiguration' || statusOf(error) === 404) return 0;
      throw s3Failure(error, attemptOn(options, 'look at the lock of', 'get-retention', kind, name));
    }
  };

  const lock = async (kind: FileKind, name: string, version: Version, until: number): Promise<void> => {
    try {
      await client.send(
        new PutObjectRetentionCommand({
          Bucket,
          Key: keyFor(kind, name),
          VersionId: version.id,
          Retention: { Mode: 'COMPLIANCE', RetainUntilDate: new Date(until) },
        }),
      );
    } catch (error) {
      throw s3Failure(error, attemptOn(options, 'lock', 'put-retention', kind, name));
    }
    memory.set(keyFor(kind, name), version.id, until);
  };

  const removeVersion = async (kind: FileKind, name: string, VersionId: string | undefined): Promise<void> => {
    try {
      await client.send(new DeleteObjectCommand({ Bucket, Key: keyFor(kind, name), ...(VersionId !== undefined && { VersionId }) }));
    } catch (error) {
      if (statusOf(error) !== 404) throw s3Failure(error, attemptOn(options, 'remove', 'delete', kind, name));
    }
  };

  /** The oldest first, so that what a reader gets goes last. */
  const removeVersions = async (kind: FileKind, name: string, versions: readonly Version[]) => {
    for (const { id } of versions.toReversed()) await removeVersion(kind, name, id);
  };

  const latestLock = async (kind: FileKind, name: string, versions: readonly Version[]): Promise<number> => {
    let latest = 0;
    for (const version of versions) if (!version.deleted) latest = Math.max(latest, await askRetention(kind, name, version));
    return latest > now() ? latest : 0;
  };

  const lockedUntil = async (kind: FileKind, name: string) =>
    latestLock(kind, name, (await versionsOf(options, kind, name)).get(name) ?? []);

  const hide = async (kind: FileKind, name: string) => {
    const versions = (await versionsOf(options, kind, name)).get(name) ?? [];
    if ((await latestLock(kind, name, versions)) === 0)
      try {
        return await removeVersions(kind, name, versions);
      } catch (error) {
        // Keys that may not remove versions may still hide.
        if (!isCode(error, 'POOL_NO_RIGHT')) throw error;
      }
    if (!versions[0]?.deleted) await removeVersion(kind, name, undefined);
  };

  /** Names are what the content's hash is, but for config. */
  const isWhole = async (kind: FileKind, name: string) => kind === 'config' || hash('sha256', await options.load(kind, name)) === name;

  return {
    untilFor: (kind) => now() + (kind === 'snapshots' ? period : generous),

    async extend(kind, wanted, signal): Promise<Extended> {
      const found = await versionsOf(options, kind);
      const hurt: string[] = [];
      let extended = 0;
      const isHurt = async (name: string, first: Version | undefined, newest: Version) => {
        if (!first || newest.deleted) return true;
        return (first.etag !== newest.etag || first.size !== newest.size) && !(await isWhole(kind, name));
      };
      const secure = async (name: string, versions: readonly Version[]) => {
        const first = versions.findLast(({ deleted }) => !deleted);
        const newest = versions[0]!;
        const isLost = await isHurt(name, first, newest);
        const both = new Set([first, ...(newest.deleted ? [] : [newest])]);
        for (const version of both) {
          if (!version) continue;
          const key = keyFor(kind, name);
          let until = memory.get(key, version.id) ?? (await askRetention(kind, name, version));
          memory.set(key, version.id, until);
          if (until >= now() + needed) continue;
          until = now() + generous;
          await lock(kind, name, version, until);
          extended++;
        }
        if (isLost) hurt.push(name);
      };
      const lane = backgroundLane(atOnce);
      for (const [name, versions] of found)
        if (wanted(name))
          lane.add(async () => {
            signal.throwIfAborted();
            await backoff(() => secure(name, versions), { signal });
          });
      await lane.idle();
      memory.keep(now());
      return { extended, hurt };
    },

    lockedUntil,

    hide,

    async remove(kind, name) {
      // A lock file that is locked is a stranger's work, and must not close the vault for ever.
      if (kind === 'locks') return hide(kind, name);
      const versions = (await versionsOf(options, kind, name)).get(name) ?? [];
      const until = await latestLock(kind, name, versions);
      if (until > 0)
        fail('VAULT_IMMUTABLE', {
          vault: options.location,
          until: new Date(until).toISOString(),
          detail: `${kind} ${name.slice(0, 12)} is locked`,
        });
      await removeVersions(kind, name, versions);
    },

    async sweep(signal) {
      let swept = 0;
      for (const kind of kinds) {
        const lane = backgroundLane(atOnce);
        for (const [name, versions] of await versionsOf(options, kind))
          if (versions[0]?.deleted)
            lane.add(async () => {
              signal.throwIfAborted();
              const gone = async () => {
                if ((await latestLock(kind, name, versions)) > 0) return 0;
                await removeVersions(kind, name, versions);
                return versions.length;
              };
              swept += await backoff(gone, { signal });
            });
        await lane.idle();
      }
      return swept;
    },
  };
}

/** Throws POOL_NO_OBJECT_LOCK. Keys that may not ask are believed: saving tells. */
export async function needObjectLock(place: S3Place, { client }: S3Connection): Promise<void> {
  const location = locationOf(place);
  try {
    const { ObjectLockConfiguration } = await client.send(new GetObjectLockConfigurationCommand({ Bucket: place.bucket }));
    if (ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled') return;
  } catch (error) {
    if (statusOf(error) === 403) return;
    if (statusOf(error) !== 404 || s3CodeOf(error) === 'NoSuchBucket')
      throw s3Failure(error, { operation: 'open', right: 'get', kind: 'pool', name: place.bucket, location });
  }
  fail('POOL_NO_OBJECT_LOCK', { location, detail: 'it was made without Object Lock' });
}
