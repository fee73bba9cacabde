// The envelope of everything encrypted in a restic repository: IV(16) || AES-256-CTR(plain) || Poly1305-AES tag(16).
// Source: restic doc/design.rst "Keys, Encryption and MAC"; Poly1305-AES: Bernstein 2005.
import { createCipheriv, createDecipheriv, createMac, randomFillSync, timingSafeEqual } from 'node:crypto';
import { fail } from '../base/errors.ts';

/** Bytes that an envelope adds to its plain text. */
export const envelopeOverhead = 32;

export interface MasterKey {
  /** AES-256 key, 32 bytes. */
  readonly encrypt: Buffer;
  /** AES-128 key of the MAC, 16 bytes. */
  readonly macK: Buffer;
  /** Poly1305's r, 16 bytes; clamped by the primitive. */
  readonly macR: Buffer;
}

export interface Cipher {
  /** The envelope of `plain`. */
  seal(plain: Uint8Array): Buffer;
  /** Writes the envelope of `plain` into `out` at `offset`; returns its length in bytes. */
  sealInto(plain: Uint8Array, out: Buffer, offset: number): number;
  /** The plain bytes; throws REPO_DAMAGED (named by `kind` and `name`) when the tag does not match. */
  open(envelope: Uint8Array, kind: string, name: string | (() => string)): Buffer;
  /** The same, in memory that the next call of this cipher overwrites. */
  openShared(envelope: Uint8Array, kind: string, name: string | (() => string)): Buffer;
  /** An envelope made bit by bit, for what is too large to be held twice. */
  sealer(): Sealer;
  /** The plain bytes of such an envelope, bit by bit. Throws what `open` throws, before it gives the first. */
  openParts(envelope: readonly Uint8Array[], kind: string, name: string): Iterable<Buffer>;
}

export interface Sealer {
  /** The first bytes of the envelope. */
  readonly start: Buffer;
  /** The bytes that follow. */
  add(plain: Uint8Array): Buffer;
  /** The last bytes; call once. */
  end(): Buffer;
}

/** Bytes of a large message opened at a time. */
const openStep = 1 << 20;

/**
 * Bytes given to a cipher at a time: each call answers with new memory, and from a megabyte on that comes from the kernel page by page
 * (decision 8), which costs four times what encrypting does.
 */
const cipherStep = 256 << 10;

export function generateMasterKey(): MasterKey {
  const random = (size: number) => randomFillSync(Buffer.alloc(size));
  return { encrypt: random(32), macK: random(16), macR: random(16) };
}

export function cipherOf(key: MasterKey): Cipher {
  // One ECB cipher serves every message: without padding each 16-byte update gives its block at once.
  const nonceCipher = createCipheriv('aes-128-ecb', key.macK, null).setAutoPadding(false);
  const macKey = Buffer.alloc(32);
  key.macR.copy(macKey, 0);
  // Random bytes are fetched for many messages at once; each is used for one and never again.
  const randomness = Buffer.alloc(4096);
  let used = randomness.length;
  const nextIv = (): Buffer => {
    if (used === randomness.length) {
      randomFillSync(randomness);
      used = 0;
    }
    used += 16;
    return randomness.subarray(used - 16, used);
  };
  const tagOf = (iv: Uint8Array, cipherText: Uint8Array): Buffer => macOf(iv).update(cipherText).final();
  const putIv = (iv: Buffer): Buffer => {
    do nextIv().copy(iv);
    while (iv.every((byte) => byte === 0)); // restic refuses an all-zero IV
    return iv;
  };
  const macOf = (iv: Uint8Array) => {
    nonceCipher.update(iv).copy(macKey, 16);
    return createMac('poly1305', macKey);
  };
  const sealInto = (plain: Uint8Array, out: Buffer, offset: number): number => {
    const iv = putIv(out.subarray(offset, offset + 16));
    const cipherText = out.subarray(offset + 16, offset + 16 + plain.length);
    translate(createCipheriv('aes-256-ctr', key.encrypt, iv), plain, cipherText);
    tagOf(iv, cipherText).copy(out, offset + 16 + plain.length);
    return plain.length + envelopeOverhead;
  };
  const openInto = (envelope: Uint8Array, memory: (length: number) => Buffer, kind: string, name: string | (() => string)): Buffer => {
    const damaged = (detail: string) => fail('REPO_DAMAGED', { kind, name: typeof name === 'string' ? name : name(), detail });
    if (envelope.length < envelopeOverhead) damaged('it is too short to be an envelope');
    const end = envelope.length - 16;
    const iv = envelope.subarray(0, 16);
    const cipherText = envelope.subarray(16, end);
    if (!timingSafeEqual(tagOf(iv, cipherText), envelope.subarray(end))) damaged('its authentication tag does not match');
    const plain = memory(cipherText.length);
    translate(createDecipheriv('aes-256-ctr', key.encrypt, iv), cipherText, plain);
    return plain;
  };
  let scratch = Buffer.alloc(0);
  const shared = (length: number): Buffer => {
    if (scratch.length < length) scratch = Buffer.allocUnsafeSlow(Math.ceil(length / openStep) * openStep);
    return scratch.subarray(0, length);
  };
  return {
    sealInto,
    seal: (plain) => {
      const out = Buffer.allocUnsafe(plain.length + envelopeOverhead);
      sealInto(plain, out, 0);
      return out;
    },
    open: (envelope, kind, name) => openInto(envelope, (length) => Buffer.allocUnsafe(length), kind, name),
    openShared: (envelope, kind, name) => openInto(envelope, shared, kind, name),
    sealer: () => {
      const start = putIv(Buffer.alloc(16));
      const encrypting = createCipheriv('aes-256-ctr', key.encrypt, start);
      const mac = macOf(start);
      return {
        start,
        add: (plain) => {
          const cipherText = encrypting.update(plain);
          mac.update(cipherText);
          return cipherText;
        },
        end: () => mac.final(),
      };
    },
    openParts: (envelope, kind, name) => {
      const length = envelope.reduce((sum, part) => sum + part.length, 0);
      const damaged = (detail: string) => fail('REPO_DAMAGED', { kind, name, detail });
      if (length < envelopeOverhead) damaged('it is too short to be an envelope');
      const iv = Buffer.concat([...stretch(envelope, 0, 16)]);
      const tag = Buffer.concat([...stretch(envelope, length - 16, length)]);
      const mac = macOf(iv);
      for (const piece of stretch(envelope, 16, length - 16)) mac.update(piece);
      if (!timingSafeEqual(mac.final(), tag)) damaged('its authentication tag does not match');
      return decrypted(createDecipheriv('aes-256-ctr', key.encrypt, iv), stretch(envelope, 16, length - 16));
    },
  };
}

/** What `cipher` makes of `from`, into `to`. */
function translate(cipher: ReturnType<typeof createCipheriv | typeof createDecipheriv>, from: Uint8Array, to: Buffer): void {
  for (let at = 0; at < from.length; at += cipherStep) cipher.update(from.subarray(at, at + cipherStep)).copy(to, at);
}

/** The bytes from `start` to before `end` of what the parts make up, in pieces of no more than `openStep`. */
function* stretch(parts: readonly Uint8Array[], start: number, end: number): Generator<Uint8Array> {
  let before = 0;
  for (const part of parts) {
    const last = Math.min(part.length, end - before);
    for (let at = Math.max(0, start - before); at < last; at += openStep) yield part.subarray(at, Math.min(at + openStep, last));
    before += part.length;
  }
}

function* decrypted(decipher: ReturnType<typeof createDecipheriv>, pieces: Iterable<Uint8Array>): Generator<Buffer> {
  for (const piece of pieces) yield decipher.update(piece);
}
