// The name that a file has until its new content is complete.
import { createHash } from 'node:crypto';

const prefix = '.stillpoint-part.';

/** The same for the same file, so that the next run finds and replaces what a killed one left. */
export function partName(name: Buffer): Buffer {
  const whole = Buffer.concat([Buffer.from(prefix), name]);
  return whole.length <= 255 ? whole : Buffer.from(prefix + createHash('sha256').update(name).digest('hex'));
}
