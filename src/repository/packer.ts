// Worker side: hash → known? → compress → encrypt → verify → pack. One open pack for data, one for trees.
import { createHash, hash } from 'node:crypto';
import { collector } from '../base/collect.ts';
import { failure } from '../base/errors.ts';
import type { BlobIndex } from './blob-index.ts';
import { type Cipher, envelopeOverhead } from './crypto.ts';
import type { Added, FinishedPack, WorkerSettings } from './jobs.ts';
import { type BlobType, encodeHeader, type PackedBlob } from './pack.ts';
import { compressShared, decompressShared, looksCompressible } from './zstd.ts';

/** A pack is closed at this many blobs too, so that its header stays small. */
const maxBlobs = 8000;

/** What the ciphers and digests of one block take, about, until they are collected (bytes). */
const perBlob = 4096;

/** Bytes for the header of a pack with a single blob that is larger than packs are. */
const headerRoom = 4096;

interface OpenPack {
  buffer: Buffer;
  length: number;
  entries: number[];
  blobs: PackedBlob[];
}

export interface Packer {
  /** Stores a block unless the vault has it; returns its id (32 bytes), which need not be worked out if the caller knows it. */
  store(plain: Uint8Array, type: BlobType, mark: boolean, added: Added, id?: Buffer): Buffer;
  /** Takes an envelope, given in parts, as it is, if its blob is not there already. */
  adopt(id: Uint8Array, envelope: readonly Uint8Array[], plainLength: number, type: BlobType, added: Added): void;
  flush(): void;
}

export function packer(settings: WorkerSettings, index: BlobIndex, cipher: Cipher, emit: (pack: FinishedPack) => void): Packer {
  const capacity = settings.packSize + (10 << 20);
  const open: Record<BlobType, OpenPack | undefined> = { data: undefined, tree: undefined };
  const credits = new Int32Array(settings.credits);
  const allocated = collector(2 << 20);

  const packFor = (type: BlobType, room: number): OpenPack => {
    let pack = open[type];
    if (pack && pack.length + room > pack.buffer.length) {
      finish(type);
      pack = undefined;
    }
    if (!pack) {
      pack = { buffer: Buffer.from(new ArrayBuffer(Math.max(capacity, room + headerRoom))), length: 0, entries: [], blobs: [] };
      open[type] = pack;
    }
    return pack;
  };

  const finish = (type: BlobType) => {
    const pack = open[type];
    open[type] = undefined;
    if (!pack || pack.blobs.length === 0) return;
    const header = encodeHeader(pack.blobs, cipher);
    const body = pack.buffer.subarray(0, pack.length);
    const name = createHash('sha256').update(body).update(header).digest('hex');
    let bytes = pack.buffer;
    if (pack.length + header.length > bytes.length) bytes = Buffer.concat([body], pack.length + header.length);
    header.copy(bytes, pack.length);
    waitForCredit(credits);
    emit({
      type: 'pack',
      bytes: bytes.buffer as ArrayBuffer,
      length: pack.length + header.length,
      name,
      entries: pack.entries,
      offsets: pack.blobs.map((blob) => blob.offset),
      lengths: pack.blobs.map((blob) => blob.length),
      plainLengths: pack.blobs.map((blob) => blob.plainLength),
    });
  };

  const append = (
    entry: number,
    id: Uint8Array,
    type: BlobType,
    plainLength: number,
    room: number,
    write: (pack: OpenPack) => number,
  ): number => {
    const pack = packFor(type, room);
    const length = write(pack);
    pack.entries.push(entry);
    pack.blobs.push({ id, type, offset: pack.length, length, plainLength });
    pack.length += length;
    if (pack.length >= settings.packSize || pack.blobs.length >= maxBlobs) finish(type);
    return length;
  };

  return {
    store: (plain, type, mark, added, id = hash('sha256', plain, 'buffer')) => {
      const entry = index.claim(id, type === 'tree', mark);
      if (entry < 0) return id;
      const wanted = settings.version >= 2 && (type === 'tree' || (settings.compression !== 'off' && looksCompressible(plain)));
      const packed = wanted && plain.length > 0 ? compressShared(plain, settings.compression) : undefined;
      // A tree is always stored compressed: restic's prune repacks uncompressed trees each time.
      const body = packed && (type === 'tree' || packed.length < plain.length) ? packed : plain;
      const plainLength = body === packed ? plain.length : 0;
      const room = body.length + envelopeOverhead;
      const length = append(entry, id, type, plainLength, room, (pack) => {
        const size = cipher.sealInto(body, pack.buffer, pack.length);
        verify(cipher, pack.buffer.subarray(pack.length, pack.length + size), plain, plainLength, id);
        return size;
      });
      allocated(plain.length + perBlob);
      added.blobs++;
      added.bytes += plain.length;
      added.packed += length;
      return id;
    },
    adopt: (id, envelope, plainLength, type, added) => {
      const entry = index.claim(id, type === 'tree', false);
      if (entry < 0) return;
      const length = envelope.reduce((sum, part) => sum + part.length, 0);
      added.packed += append(entry, id, type, plainLength, length, (pack) => {
        let at = pack.length;
        for (const part of envelope) {
          pack.buffer.set(part, at);
          at += part.length;
        }
        return length;
      });
      added.blobs++;
      added.bytes += plainLength || length - envelopeOverhead;
    },
    flush: () => {
      finish('data');
      finish('tree');
    },
  };
}

/** Blocks the thread until main has uploaded enough packs, so that memory stays bounded whatever the pool's speed. */
function waitForCredit(credits: Int32Array): void {
  for (;;) {
    if (Atomics.load(credits, 1) !== 0) throw failure('TASK_CANCELLED');
    const left = Atomics.load(credits, 0);
    if (left > 0 && Atomics.compareExchange(credits, 0, left, left - 1) === left) return;
    if (left <= 0) Atomics.wait(credits, 0, left, 1000);
  }
}

/** Prove it before it is called saved: what was encrypted must open to the very bytes that were read (memory and CPUs do fail). */
function verify(cipher: Cipher, envelope: Uint8Array, plain: Uint8Array, plainLength: number, id: Buffer): void {
  const opened = cipher.openShared(envelope, 'block', () => id.toString('hex'));
  const again = plainLength > 0 ? decompressShared(opened, plainLength) : opened;
  if (again.compare(plain) !== 0)
    throw failure('REPO_DAMAGED', {
      kind: 'block',
      name: id.toString('hex'),
      detail: 'it does not read back as written; suspect the memory of this host',
    });
}
