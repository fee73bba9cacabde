// The versions that a bucket keeps of a repository's files. Importing this file loads the AWS SDK.
import { ListObjectVersionsCommand, type ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3';
import type { S3Place } from '../model/pool.ts';
import type { FileKind } from '../ports/backend.ts';
import type { S3Connection } from '../s3/client.ts';
import { type S3Attempt, s3Failure } from '../s3/errors.ts';
import { keyOf, nameIn } from './layout.ts';

export interface Version {
  readonly id: string;
  readonly size: number;
  readonly etag: string;
  /** ms since the epoch; whole seconds with some stores. */
  readonly time: number;
  readonly latest: boolean;
  /** It only says that the object was deleted. */
  readonly deleted: boolean;
}

export interface VersionsDoor {
  readonly place: S3Place;
  readonly connection: S3Connection;
  /** Key prefix of the repository, ending in a slash. */
  readonly base: string;
  readonly location: string;
}

/** All versions by file name, the newest first; with `only` those of one file. */
export async function versionsOf(door: VersionsDoor, kind: FileKind, only?: string): Promise<Map<string, readonly Version[]>> {
  const Prefix = `${door.base}${only === undefined ? (kind === 'config' ? 'config' : `${kind}/`) : keyOf(kind, only)}`;
  const found = new Map<string, Version[]>();
  for await (const [key, version] of versionsBelow(door, Prefix, attemptOn(door, 'list', 'list', kind, only))) {
    const name = nameIn(kind, key.slice(door.base.length));
    if (name === undefined) continue;
    const known = found.get(name);
    if (known) known.push(version);
    else found.set(name, [version]);
  }
  for (const versions of found.values()) versions.sort(newestFirst);
  return found;
}

async function* versionsBelow(
  { place, connection }: VersionsDoor,
  Prefix: string,
  attempt: S3Attempt,
): AsyncGenerator<readonly [string, Version]> {
  let marker: { readonly KeyMarker?: string; readonly VersionIdMarker?: string } | undefined = {};
  while (marker) {
    const page: ListObjectVersionsCommandOutput = await connection.client
      .send(new ListObjectVersionsCommand({ Bucket: place.bucket, Prefix, ...marker }))
      .catch((error: unknown) => Promise.reject(s3Failure(error, attempt)));
    for (const { Key = '', VersionId = 'null', Size = 0, ETag = '', LastModified, IsLatest = false } of page.Versions ?? [])
      yield [Key, { id: VersionId, size: Size, etag: ETag, time: LastModified?.getTime() ?? 0, latest: IsLatest, deleted: false }];
    for (const { Key = '', VersionId = 'null', LastModified, IsLatest = false } of page.DeleteMarkers ?? [])
      yield [Key, { id: VersionId, size: 0, etag: '', time: LastModified?.getTime() ?? 0, latest: IsLatest, deleted: true }];
    const { NextKeyMarker, NextVersionIdMarker } = page;
    marker =
      page.IsTruncated && NextKeyMarker !== undefined
        ? { KeyMarker: NextKeyMarker, ...(NextVersionIdMarker !== undefined && { VersionIdMarker: NextVersionIdMarker }) }
        : undefined;
  }
}

/** Where a store tells whole seconds only, what was there goes before the word that it was deleted: rather too much comes back than too little. */
function newestFirst(a: Version, b: Version): number {
  return Number(b.latest) - Number(a.latest) || b.time - a.time || Number(a.deleted) - Number(b.deleted);
}

/** What a reader would have been given at the moment `at` (ms); undefined where there was nothing. */
export function versionAt(versions: readonly Version[], at: number): Version | undefined {
  const then = versions.find(({ time }) => time <= at);
  return then?.deleted ? undefined : then;
}

export function attemptOn(
  { location }: VersionsDoor,
  operation: string,
  right: string,
  kind: FileKind,
  name: string | undefined = '',
): S3Attempt {
  return { operation, right, kind, name, location };
}
