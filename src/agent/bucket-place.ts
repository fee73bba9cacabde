// A bucket as a caller names it, with what is left out filled in.
import { fail } from '../base/errors.ts';
import type { S3Place } from '../model/pool.ts';
import type { PlaceInput } from '../rpc/schemas.ts';

const defaultBucket = 'dbs';

/** Throws USAGE. */
export function bucketPlace(input: Extract<PlaceInput, { type: 's3' }>): S3Place {
  const url = URL.parse(input.endpoint);
  if (!url || !/^https?:$/.test(url.protocol)) fail('USAGE', { detail: `place.endpoint ${input.endpoint} is no http(s) address` });
  return {
    type: 's3',
    endpoint: url.origin,
    bucket: input.bucket ?? defaultBucket,
    prefix: (input.prefix ?? '').replace(/^\/+|\/+$/g, ''),
    region: input.region ?? 'us-east-1',
    addressing: input.addressing ?? 'path',
    caPem: input.caPem ?? '',
  };
}
