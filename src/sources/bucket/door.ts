// A bucket's door: requests that outlast passing trouble, and what is told of those that fail for good.
import type { S3Client } from '@aws-sdk/client-s3';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { backoff, type Patience, Transient } from '../../base/backoff.ts';
import { failure, isCode, StillpointError } from '../../base/errors.ts';
import type { Credentials, S3Place } from '../../model/pool.ts';
import { connectS3, keyPrefix, locationOf } from '../../s3/client.ts';
import { s3Failure } from '../../s3/errors.ts';

/** What is tried, for the message: `list`, 's3:ListBucket', and on which key if on one. */
export interface Attempt {
  readonly operation: string;
  /** The right that it needs, as the policies of S3 call it. */
  readonly right: string;
  readonly key: string;
}

export interface DoorDeps {
  readonly patience?: Patience;
  readonly idleTimeout?: number;
  readonly localAddress?: string | undefined;
}

type Work<T> = (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

export interface BucketDoor {
  readonly client: S3Client;
  readonly bucket: string;
  /** Key prefix of the place: empty, or ending in a slash. */
  readonly prefix: string;
  /** For people, without credentials. */
  readonly location: string;
  /** Whether nothing lay below the prefix when it was opened. */
  readonly empty: boolean;
  readonly signal: AbortSignal;
  /** Until an operation is given up. */
  readonly patience: Patience;
  /** Tries until it works or is refused. Throws BUCKET_FAILED. */
  ask<T>(attempt: Attempt, work: Work<T>): Promise<T>;
  /** The error of an attempt: a Transient where trying again may help. Throws the reason of one that was cancelled. */
  told(error: unknown, attempt: Attempt): Error;
  /** BUCKET_FAILED in words of one's own. */
  failed(detail: string): Error;
  /** Ends what is under way; may be called twice. */
  close(): void;
}

/** The first request of all is given up after this many milliseconds: a wrong address should be told while somebody is looking. */
const firstPatience = 20_000;

/** Opens the door and looks through it once. Throws BUCKET_FAILED. */
export async function openBucket(
  place: S3Place,
  credentials: Credentials | undefined,
  signal: AbortSignal,
  deps: DoorDeps = {},
): Promise<BucketDoor> {
  if (credentials === undefined) throw bucketFailed(place, 'there are no credentials for it');
  const closing = new AbortController();
  const either = AbortSignal.any([signal, closing.signal]);
  const { idleTimeout, localAddress } = deps;
  const connection = connectS3(place, credentials, {
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(localAddress !== undefined && { localAddress }),
  });
  const { client } = connection;
  const patience: Patience = { ...deps.patience, signal: either };
  const told = (error: unknown, attempt: Attempt) => {
    signal.throwIfAborted(); // whoever cancels does not want to hear of broken connections
    return failureOf(error, attempt, place);
  };
  const asking = <T>(attempt: Attempt, work: Work<T>, limits: Patience): Promise<T> =>
    backoff(async () => {
      try {
        return await work(client, { abortSignal: either });
      } catch (error) {
        throw told(error, attempt);
      }
    }, limits);
  const close = () => {
    closing.abort();
    connection.close();
  };
  try {
    const look = new ListObjectsV2Command({ Bucket: place.bucket, Prefix: keyPrefix(place), MaxKeys: 1 });
    const attempt = { operation: 'list', right: 's3:ListBucket', key: '' };
    const first = await asking(attempt, (_, options) => client.send(look, options), { maxElapsed: firstPatience, ...patience });
    return {
      client,
      bucket: place.bucket,
      prefix: keyPrefix(place),
      location: locationOf(place),
      empty: (first.Contents ?? []).length === 0,
      signal: either,
      patience,
      ask: (attempt, work) => asking(attempt, work, patience),
      told,
      failed: (detail) => bucketFailed(place, detail),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Whether an error says that no other object will fare better. */
export function concernsAll(error: unknown): boolean {
  const cause = error instanceof StillpointError ? error.cause : undefined;
  return isCode(
    cause,
    'POOL_OFFLINE',
    'POOL_CREDENTIALS',
    'POOL_NOT_FOUND',
    'POOL_CLOCK',
    'POOL_CERTIFICATE',
    'POOL_FULL',
    'GATEWAY_ADDRESS',
  );
}

function failureOf(error: unknown, attempt: Attempt, place: S3Place): Error {
  if (error instanceof Transient || error instanceof StillpointError) return error;
  const { operation, right, key } = attempt;
  const known = s3Failure(error, { operation, right, kind: 'object', name: key, location: locationOf(place) });
  const final = known instanceof Transient ? known.final : known;
  const failed = bucketFailed(place, detailOf(final, attempt), final, isRefusal(final));
  return known instanceof Transient ? new Transient(failed) : failed;
}

const isRefusal = (error: Error): boolean => isCode(error, 'POOL_CREDENTIALS', 'POOL_NO_RIGHT', 'POOL_NOT_FOUND');

function bucketFailed({ bucket, prefix, endpoint }: S3Place, detail: string, cause?: Error, refused = false): StillpointError {
  return failure(
    refused ? 'BUCKET_REFUSED' : 'BUCKET_FAILED',
    { bucket: prefix === '' ? bucket : `${bucket}/${prefix}`, endpoint, detail },
    { cause },
  );
}

/** In the words of a bucket: those of a pool would send the reader to the wrong place. */
function detailOf(known: Error, { operation, right, key }: Attempt): string {
  const reason = (known.cause as Error | undefined)?.message ?? known.message;
  const what = key === '' ? `cannot ${operation}` : `cannot ${operation} ${printable(key)}`;
  if (isCode(known, 'POOL_NOT_FOUND')) return 'there is no such bucket';
  if (isCode(known, 'POOL_CREDENTIALS')) return `it refuses the credentials: ${reason}`;
  if (isCode(known, 'POOL_NO_RIGHT')) return `${what}: the credentials lack the right ${right} (${reason})`;
  if (isCode(known, 'POOL_OFFLINE')) return `${what}: it cannot be reached: ${reason}`;
  if (isCode(known, 'POOL_CLOCK')) return 'its clock is too far from the clock of this host';
  if (isCode(known, 'POOL_CERTIFICATE')) return `its certificate is not trusted: ${reason}`;
  if (isCode(known, 'GATEWAY_ADDRESS')) return `${what}: ${known.message}`;
  if (isCode(known, 'POOL_FULL')) return `${what}: no space or quota left: ${reason}`;
  return `${what}: ${reason}`;
}

export const printable = (key: string): string => key.replace(/\p{C}/gu, '\ufffd');
