// What an object has besides its bytes, as one extended attribute of its node: compact, and the same text for the same object.
import type { GetObjectCommandOutput, HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { ExtendedAttribute, NodeMeta } from '../../model/node.ts';

export const attributeName = 'user.stillpoint.s3';

export interface Attributes {
  /** Without its quotes. */
  readonly etag: string;
  readonly version?: string;
  readonly storageClass?: string;
  readonly headers: Headers;
  /** User metadata by name, without x-amz-meta-. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** A version that says the object was deleted. */
  readonly deleted?: true;
}

/** Headers that come back as they were, by the SDK's names. */
const headerNames = ['ContentType', 'CacheControl', 'ContentDisposition', 'ContentLanguage', 'WebsiteRedirectLocation'] as const;

export type Headers = { readonly [name in (typeof headerNames)[number] | 'ContentEncoding' | 'Expires']?: string };

export const noAttributes = { headers: {}, metadata: {}, tags: {} } as const;

export const bareEtag = (etag: string | undefined): string => (etag ?? '').replace(/^(W\/)?"|"$/g, '');

/** Of an answer to GET or HEAD. */
export function attributesOf(answer: GetObjectCommandOutput | HeadObjectCommandOutput, tags: Readonly<Record<string, string>>): Attributes {
  const headers = headerNames.flatMap((name) => (answer[name] ? [[name, answer[name]] as const] : []));
  const encoding = answer.ContentEncoding?.split(/, */).filter((one) => one !== 'aws-chunked'); // how it once came, not what it is
  const own = encoding === undefined ? [] : [['ContentEncoding', encoding.join(',')] as const].filter(([, text]) => text !== '');
  const expires = answer.ExpiresString ? [['Expires', answer.ExpiresString] as const] : [];
  return {
    etag: bareEtag(answer.ETag),
    ...(answer.VersionId && answer.VersionId !== 'null' ? { version: answer.VersionId } : {}),
    ...(answer.StorageClass ? { storageClass: answer.StorageClass } : {}),
    headers: Object.fromEntries([...headers, ...own, ...expires]),
    metadata: sortedRecord(answer.Metadata ?? {}),
    tags: sortedRecord(tags),
  };
}

export function pack(attributes: Attributes): readonly ExtendedAttribute[] {
  const full = Object.entries(attributes).filter(([, value]) => typeof value !== 'object' || Object.keys(value).length > 0);
  return [{ name: attributeName, value: Buffer.from(JSON.stringify(Object.fromEntries(full))) }];
}

/** Undefined for a node that carries none that we can read. */
export function unpack(node: Pick<NodeMeta, 'xattrs'>): Attributes | undefined {
  const packed = node.xattrs.find(({ name }) => name === attributeName);
  if (packed === undefined) return undefined;
  try {
    const value = JSON.parse(packed.value.toString()) as Partial<Attributes>;
    const records = { headers: texts(value.headers), metadata: texts(value.metadata), tags: texts(value.tags) };
    return typeof value.etag === 'string' ? { ...value, etag: value.etag, ...records } : undefined;
  } catch {
    return undefined;
  }
}

function texts(value: unknown): Record<string, string> {
  const pairs = Object.entries(typeof value === 'object' && value !== null ? value : {});
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}

export const sortedRecord = (record: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
