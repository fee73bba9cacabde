// What a bucket lists, page by page, in the order of the bytes of its keys.
import {
  type _Object,
  type CommonPrefix,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  ListObjectVersionsCommand,
  type ObjectVersion,
} from '@aws-sdk/client-s3';
import type { Warn } from '../../ports/source.ts';
import { bareEtag } from './attributes.ts';
import { type BucketDoor, printable } from './door.ts';
import { before } from './names.ts';

export interface Listed {
  /** Below the prefix of the door. */
  readonly key: string;
  readonly etag: string;
  readonly size: number;
  /** ms since the epoch. */
  readonly modified: number;
  /** Of an older version, or of a mark of deletion. */
  readonly version?: string;
  readonly deleted?: true;
}

export interface Page {
  readonly objects: readonly Listed[];
  /** With a delimiter: what lies further down, each ending in a slash. */
  readonly directories: readonly string[];
}

export interface Range {
  /** Below the prefix of the door. */
  readonly prefix: string;
  /** One directory only. */
  readonly flat: boolean;
  /** Only what comes after this key. */
  readonly after?: string;
}

/** Lists a range; an abandoned one needs no closing. Throws BUCKET_FAILED, also where a store does not keep to the order. */
export type Lister = (range: Range) => AsyncGenerator<Page>;

const listing = { operation: 'list', right: 's3:ListBucket', key: '' };
const listingVersions = { ...listing, operation: 'list the versions', right: 's3:ListBucketVersions' };

/** The objects as they are now. */
export function objectLister(door: BucketDoor, warn: Warn): Lister {
  const page = pageReader(door, warn);
  return inOrder(door, async function* ({ prefix, flat, after }) {
    const request = {
      Bucket: door.bucket,
      Prefix: door.prefix + prefix,
      EncodingType: 'url',
      ...(flat ? { Delimiter: '/' } : {}),
      ...(after === undefined ? {} : { StartAfter: door.prefix + after }),
    } as const;
    let token: string | undefined;
    do {
      const answer = await door.ask(listing, (client, options): Promise<ListObjectsV2CommandOutput> => {
        return client.send(new ListObjectsV2Command({ ...request, ...(token === undefined ? {} : { ContinuationToken: token }) }), options);
      });
      yield page(answer.EncodingType === 'url', answer.Contents ?? [], answer.CommonPrefixes ?? []);
      token = answer.IsTruncated ? answer.NextContinuationToken : undefined;
    } while (token !== undefined);
  });
}

/** The versions that are not the newest, and marks of deletion. */
export function versionLister(door: BucketDoor, warn: Warn): Lister {
  const page = pageReader(door, warn);
  return inOrder(door, async function* ({ prefix, flat, after }) {
    const request = {
      Bucket: door.bucket,
      Prefix: door.prefix + prefix,
      EncodingType: 'url',
      ...(flat ? { Delimiter: '/' } : {}),
    } as const;
    let from: { KeyMarker?: string; VersionIdMarker?: string } = after === undefined ? {} : { KeyMarker: door.prefix + after };
    for (let more = true; more; ) {
      const answer = await door.ask(listingVersions, (client, options) => {
        return client.send(new ListObjectVersionsCommand({ ...request, ...from }), options);
      });
      const encoded = answer.EncodingType === 'url';
      const versions = (answer.Versions ?? []).filter(({ IsLatest }) => !IsLatest);
      const marks = (answer.DeleteMarkers ?? []).map((mark) => ({ ...mark, deleted: true as const }));
      const told = page(encoded, [...versions, ...marks], answer.CommonPrefixes ?? []);
      yield { ...told, objects: told.objects.toSorted(byKey) }; // a page tells versions and marks apart from each other
      more = answer.IsTruncated === true && answer.NextKeyMarker !== undefined;
      const key = encoded ? decoded(answer.NextKeyMarker ?? '') : answer.NextKeyMarker;
      from = {
        ...(key === undefined ? {} : { KeyMarker: key }),
        ...(answer.NextVersionIdMarker === undefined ? {} : { VersionIdMarker: answer.NextVersionIdMarker }),
      };
    }
  });
}

/** What lies below a prefix is looked for where the order says it is: in a store with another one it would be missed. */
function inOrder(door: BucketDoor, list: Lister): Lister {
  return async function* (range) {
    let last = '';
    for await (const page of list(range)) {
      for (const { key } of page.objects) {
        if (last > key && before(key, last)) throw door.failed('it does not list in the order of the keys');
        last = key;
      }
      yield page;
    }
  };
}

type Answered = _Object & Pick<ObjectVersion, 'VersionId'> & { readonly deleted?: true };

const byKey = (a: Listed, b: Listed): number => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));

function pageReader({ prefix }: BucketDoor, warn: Warn) {
  const keyIn = (text: string | undefined, encoded: boolean): string | undefined => {
    const key = encoded ? decoded(text ?? '') : text;
    if (key === undefined) warn({ item: printable(text ?? ''), detail: 'its key is not UTF-8: it is left out' });
    return key?.slice(prefix.length);
  };
  return (encoded: boolean, contents: readonly Answered[], prefixes: readonly CommonPrefix[]): Page => ({
    objects: contents.flatMap(({ Key, ETag, Size = 0, LastModified, VersionId, deleted }) => {
      const key = keyIn(Key, encoded);
      if (key === undefined) return [];
      const version = { ...(VersionId === undefined ? {} : { version: VersionId }), ...(deleted ? { deleted } : {}) };
      return [{ key, etag: bareEtag(ETag), size: Size, modified: LastModified?.getTime() ?? 0, ...version }];
    }),
    directories: prefixes.flatMap(({ Prefix }) => keyIn(Prefix, encoded) ?? []),
  });
}

/** Undefined for what is not UTF-8. Some stores write a space as +, all write + as %2B. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}
