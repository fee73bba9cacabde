// Places and repositories as restic writes them (`-r`), there and back.
import { isAbsolute, join, normalize } from 'node:path';
import { fail } from '../base/errors.ts';
import type { Place, S3Place } from '../model/pool.ts';

/** The very string that `restic -r` takes for a repository below a pool; without a path the pool's own. */
export function locationOf(place: Place, path = ''): string {
  if (place.type === 'local') return path === '' ? place.path : join(place.path, path);
  return `s3:${[place.endpoint, place.bucket, place.prefix, path].filter((part) => part !== '').join('/')}`;
}

export interface ParsedLocation {
  readonly place: Place;
  /** Of the repository below the place: the last two parts, `<vault>/<agent-id>`, or what there is. */
  readonly path: string;
}

/** `/dir/vault/agent` or `s3:https://host/bucket/prefix/vault/agent`. Throws USAGE. */
export function parseLocation(location: string, s3: Partial<Pick<S3Place, 'region' | 'addressing' | 'caPem'>> = {}): ParsedLocation {
  if (location.startsWith('s3:')) return parseS3(location, s3);
  if (!isAbsolute(location)) fail('USAGE', { detail: `${location} is neither an absolute path nor s3:…` });
  const parts = normalize(location).split('/').filter(Boolean);
  if (parts.length < 2) fail('USAGE', { detail: `${location} has no directory above it that could be the pool` });
  const depth = parts.length > 2 ? 2 : 1;
  return { place: { type: 'local', path: `/${parts.slice(0, -depth).join('/')}` }, path: parts.slice(-depth).join('/') };
}

function parseS3(location: string, s3: Partial<S3Place>): ParsedLocation {
  const address = location.slice('s3:'.length);
  const url = URL.parse(/^https?:\/\//.test(address) ? address : `https://${address.replace(/^\/\//, '')}`);
  const [bucket, ...rest] = (url?.pathname ?? '').split('/').filter(Boolean);
  if (!url || !bucket) fail('USAGE', { detail: `${location} does not name a host and a bucket (s3:https://host/bucket/…)` });
  const place: Place = {
    type: 's3',
    endpoint: url.origin,
    bucket,
    prefix: rest.slice(0, -2).join('/'),
    region: s3.region ?? 'us-east-1',
    addressing: s3.addressing ?? 'path',
    caPem: s3.caPem ?? '',
  };
  return { place, path: rest.slice(-2).join('/') };
}
