// A pack: blob envelopes … || header envelope || u32le(length of the header envelope). Source: restic doc/design.rst "Pack Format".
import { fail } from '../base/errors.ts';
import { type Cipher, envelopeOverhead } from './crypto.ts';

export type BlobType = 'data' | 'tree';

/** One blob in a pack. `length` is the envelope's; `plainLength` 0 means "stored as it is, not compressed". */
export interface PackedBlob {
  readonly id: Uint8Array;
  readonly type: BlobType;
  readonly offset: number;
  readonly length: number;
  readonly plainLength: number;
}

/** Bytes of a header entry: type(1) length(4) [plain length(4)] id(32). */
const entrySize = (blob: { readonly plainLength: number }) => (blob.plainLength > 0 ? 41 : 37);

export function headerSize(blobs: readonly { readonly plainLength: number }[]): number {
  return blobs.reduce((sum, blob) => sum + entrySize(blob), envelopeOverhead + 4);
}

/** Bytes of the whole pack that holds exactly these blobs: what check compares with the stored file. */
export function packSize(blobs: readonly PackedBlob[]): number {
  return blobs.reduce((sum, blob) => sum + blob.length, headerSize(blobs));
}

/** The header (envelope and length field) for blobs that lie one after the other from offset 0. */
export function encodeHeader(blobs: readonly PackedBlob[], cipher: Cipher): Buffer {
  const plain = Buffer.alloc(headerSize(blobs) - envelopeOverhead - 4);
  let at = 0;
  for (const blob of blobs) {
    const packed = blob.plainLength > 0;
    plain[at] = (blob.type === 'tree' ? 1 : 0) + (packed ? 2 : 0);
    plain.writeUInt32LE(blob.length, at + 1);
    if (packed) plain.writeUInt32LE(blob.plainLength, at + 5);
    plain.set(blob.id, at + (packed ? 9 : 5));
    at += entrySize(blob);
  }
  const envelope = cipher.seal(plain);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(envelope.length);
  return Buffer.concat([envelope, length]);
}

/**
 * Reads the blobs from the end of a pack. `tail` is the pack or its last bytes; `total` the size of the whole file.
 * Returns how many bytes the tail must have when it is too short. Throws REPO_DAMAGED.
 */
export function decodeHeader(tail: Buffer, total: number, name: string, cipher: Cipher): readonly PackedBlob[] | { readonly need: number } {
  const damaged = (detail: string): never => fail('REPO_DAMAGED', { kind: 'pack', name, detail });
  if (tail.length < 4) damaged('it is too short');
  const envelopeLength = tail.readUInt32LE(tail.length - 4);
  if (envelopeLength < envelopeOverhead + 37 || envelopeLength + 4 > total || envelopeLength > 16 << 20)
    damaged('its header length is wrong');
  if (tail.length < envelopeLength + 4) return { need: envelopeLength + 4 };
  const plain = cipher.open(tail.subarray(tail.length - 4 - envelopeLength, tail.length - 4), 'pack', name);
  const blobs: PackedBlob[] = [];
  let at = 0;
  let offset = 0;
  while (at < plain.length) {
    const code = plain[at]!;
    const packed = code >= 2;
    const size = packed ? 41 : 37;
    if (code > 3 || at + size > plain.length) damaged('its header has an unknown entry');
    const length = plain.readUInt32LE(at + 1);
    const plainLength = packed ? plain.readUInt32LE(at + 5) : 0;
    blobs.push({ id: plain.subarray(at + size - 32, at + size), type: code & 1 ? 'tree' : 'data', offset, length, plainLength });
    at += size;
    offset += length;
  }
  if (offset + envelopeLength + 4 !== total) damaged('its blobs do not fill it');
  return blobs;
}
