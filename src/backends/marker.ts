// The marker that tells a pool from an empty mount point or somebody else's pool: a small JSON file in the pool's root.
import { randomBytes } from 'node:crypto';
import { fail } from '../base/errors.ts';

export const markerName = '.stillpoint-pool';

export function markerBytes(pool: string): Buffer {
  return Buffer.from(`${JSON.stringify({ pool })}\n`);
}

/** The pool id in a marker; text that is no marker is shown as `unreadable`, which is nobody's id. */
export function poolIn(bytes: Uint8Array): string {
  try {
    const { pool } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { pool?: unknown };
    return typeof pool === 'string' && pool !== '' ? pool : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

/** Throws POOL_MARKER_MISSING or POOL_MARKER_FOREIGN unless the marker found is the pool's own. */
export function checkMarker(found: string | undefined, pool: string, location: string): void {
  if (found === undefined) fail('POOL_MARKER_MISSING', { pool, location });
  if (found !== pool) fail('POOL_MARKER_FOREIGN', { pool, found, location });
}

/** A name for the object that a probe writes; not a repository's and not a vault's. */
export function probeName(): string {
  return `.stillpoint-probe-${randomBytes(8).toString('hex')}`;
}
