// A blob out of the bytes of its pack: decrypt → decompress → prove that it is what its id says.
import { hash } from 'node:crypto';
import { collector } from '../base/collect.ts';
import { fail } from '../base/errors.ts';
import { type Cipher, envelopeOverhead } from './crypto.ts';
import { decompressShared } from './zstd.ts';

const allocated = collector(8 << 20);

export interface BlobInBytes {
  readonly id: Uint8Array;
  readonly offset: number;
  readonly length: number;
  readonly plainLength: number;
}

/** The plain bytes in memory of their own. Throws REPO_DAMAGED. */
export function openBlob(cipher: Cipher, bytes: Uint8Array, blob: BlobInBytes): Buffer {
  const plain = peekBlob(cipher, bytes, blob);
  return Buffer.from(plain);
}

/** The same, in memory that the next use of this cipher or of zstd in this thread overwrites. */
export function peekBlob(cipher: Cipher, bytes: Uint8Array, blob: BlobInBytes): Buffer {
  const name = () => Buffer.from(blob.id).toString('hex');
  const damaged = (detail: string) => fail('REPO_DAMAGED', { kind: 'block', name: name(), detail });
  if (blob.offset + blob.length > bytes.length) damaged('its pack is too short');
  allocated(blob.length);
  const opened = cipher.openShared(bytes.subarray(blob.offset, blob.offset + blob.length), 'block', name);
  const plain = blob.plainLength > 0 ? unzip(opened, blob.plainLength) : opened;
  if (plain?.length !== (blob.plainLength || opened.length)) return damaged('it does not decompress');
  if (hash('sha256', plain, 'buffer').compare(blob.id) !== 0) damaged('its content does not match its name');
  return plain;
}

function unzip(packed: Buffer, plainLength: number): Buffer | undefined {
  try {
    return decompressShared(packed, plainLength);
  } catch {
    return undefined; // the caller says which block it is; zstd's own words add nothing
  }
}

/** Plain bytes of a blob, from what the index says of it. */
export const plainSize = (location: { readonly length: number; readonly plainLength: number }): number =>
  location.plainLength > 0 ? location.plainLength : location.length - envelopeOverhead;
