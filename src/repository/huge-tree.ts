// A tree too big for one piece: it is hashed, compressed and encrypted as it grows, and only its envelope is ever whole in memory, once.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { fail } from '../base/errors.ts';
import type { BlobId } from '../ports/blob.ts';
import type { Added } from './jobs.ts';
import type { OpenState } from './vault-state.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface TreeSinkDeps {
  readonly state: OpenState;
  readonly pool: WorkerPool;
  readonly mark: boolean;
  readonly count: (added: Added) => void;
}

/** The envelope is kept in parts of this size (bytes). */
const partSize = 4 << 20;

export function hugeTree({ state, pool, mark, count }: TreeSinkDeps) {
  const digest = createHash('sha256');
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const sealer = state.cipher.sealer();
  const envelope = parts();
  envelope.add(sealer.start);
  zstd.on('data', (piece: Buffer) => envelope.add(sealer.add(piece)));
  let plainLength = 0;
  const write = (piece: Buffer): Promise<void> => {
    digest.update(piece);
    plainLength += piece.length;
    return new Promise((resolve, reject) => zstd.write(piece, (error) => (error ? reject(error) : resolve())));
  };
  return {
    write,
    end: async (piece: Buffer): Promise<BlobId> => {
      await write(piece);
      await new Promise<void>((resolve, reject) => zstd.once('end', resolve).once('error', reject).end());
      envelope.add(sealer.end());
      const id = digest.digest();
      const name = id.toString('hex');
      const known = state.index.find(id, true);
      if (known >= 0) {
        if (mark) state.index.mark(known);
        return name;
      }
      const proof = createHash('sha256');
      for await (const plain of unzipped(state.cipher.openParts(envelope.list(), 'tree', name))) proof.update(plain);
      if (!proof.digest().equals(id)) fail('REPO_DAMAGED', { kind: 'tree', name, detail: 'it does not read back as written' });
      const list = envelope.list();
      const memory = list.map(({ buffer }) => buffer);
      const { added } = await pool.run({ type: 'adopt', blobType: 'tree', envelopes: [{ id, parts: list, plainLength }] }, memory);
      count({ ...added, bytes: plainLength });
      return name;
    },
  };
}

/** Bytes in memory that grows without being copied. */
function parts() {
  const list: Buffer<ArrayBuffer>[] = [];
  let filled = partSize;
  return {
    add(bytes: Uint8Array): void {
      for (let at = 0; at < bytes.length; ) {
        if (filled === partSize) {
          list.push(Buffer.allocUnsafeSlow(partSize));
          filled = 0;
        }
        const length = Math.min(bytes.length - at, partSize - filled);
        list.at(-1)!.set(bytes.subarray(at, at + length), filled);
        filled += length;
        at += length;
      }
    },
    list: () => list.map((part, i) => (i === list.length - 1 ? part.subarray(0, filled) : part)),
  };
}

/** What zstd packed. */
export const unzipped = (packed: Iterable<Buffer>): AsyncIterable<Buffer> => Readable.from(packed).pipe(createZstdDecompress());
