import type { PlaceInput } from '../../rpc/schemas-pools.ts';
import { storeDetails } from '../store-options.ts';
import { printable } from '../terminal.ts';
import { methodFrom } from './database.ts';
import { type Asking, grouped, type SourceKind, type SourceOptions } from './kind.ts';

type S3Input = Extract<PlaceInput, { type: 's3' }>;

export const bucketOptions = [grouped('Bucket:')('--versions', 'every version of every object')];

/** Options that name a bucket and how it is reached. */
export const bucketTakes = ['endpoint', 'bucket', 'prefix', 'credentialsFile', 'region', 'addressing', 'caFile'] as const;

export const bucket: SourceKind<'bucket'> = {
  takes: ['method', 'versions', ...bucketTakes],
  async from(options, _words, same, asking) {
    const place = bucketPlaceFrom(options, same?.place, asking);
    const renew = same === undefined || options.credentialsFile !== undefined;
    return {
      kind: 'bucket',
      ...methodFrom(options.method, ['snapshot'], asking.wrong),
      place,
      ...(renew && { credentials: await asking.credentials(options, `the bucket ${place.bucket}`) }),
      ...((options.versions ?? same?.versions) && { versions: true }),
    };
  },
  text: ({ place }) => placeText(place),
  rows: ({ place, versions }) => [
    ['Bucket', placeText(place)],
    ['Versions', versions ? 'all' : 'the newest'],
  ],
};

/** Throws USAGE_ARGUMENT without endpoint and bucket. */
export function bucketPlaceFrom(options: SourceOptions, before: S3Input | undefined, { wrong }: Pick<Asking, 'wrong'>): S3Input {
  const endpoint = options.endpoint ?? before?.endpoint ?? wrong('--endpoint is missing');
  const name = options.bucket ?? before?.bucket ?? wrong('--bucket is missing');
  const prefix = options.prefix ?? before?.prefix;
  return { ...before, type: 's3', endpoint, bucket: name, ...(prefix !== undefined && { prefix }), ...storeDetails(options) };
}

const placeText = ({ endpoint, bucket: name, prefix }: S3Input): string => printable([endpoint, name, prefix].filter(Boolean).join('/'));
