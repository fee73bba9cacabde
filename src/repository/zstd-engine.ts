// zstd without a new stream object per block: Node's one-shot functions make one each time, which for a small block costs several times
// what compressing it does, and for big ones leaves megabytes of dead buffers behind. The handle below the stream can be driven directly
// (lib/zlib.js does the same: handle.reset, handle.writeSync, writeState), but that is no public interface. So it is tried once per
// thread, and where it does not do exactly what is expected the public functions serve.
import { constants, createZstdCompress, createZstdDecompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** Blocks up to this size (bytes) go through the handles; larger ones are rare and go through the public functions. */
export const largestBlock = 8 << 20;

interface Handle {
  reset(): void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputLength: number,
    output: Uint8Array,
    outputAt: number,
    room: number,
  ): void;
}

interface Stream {
  readonly _handle: Handle | null;
  /** After a write: room left in the output, input not yet taken. */
  readonly _writeState: Uint32Array;
  once(event: 'error', listener: (error: Error) => void): void;
}

/** Runs whole inputs through one stream into one buffer; the result is valid until the next call. Undefined: it did not work out. */
type Run = (input: Uint8Array, room: number) => Buffer | undefined;

function runner(make: () => Stream, flush: number): Run {
  let stream: Stream | undefined;
  let output = Buffer.alloc(0);
  return (input, room) => {
    if (output.length < room) output = Buffer.allocUnsafeSlow(Math.max(room, Math.min(2 * output.length, largestBlock)));
    if (!stream?._handle) {
      stream = make();
      stream.once('error', () => undefined); // seen below: the handle is gone
    }
    const handle = stream._handle!;
    handle.reset();
    handle.writeSync(flush, input, 0, input.length, output, 0, output.length);
    // A handle that met damage is destroyed by its stream.
    const [left, untaken] = stream._writeState;
    return stream._handle && untaken === 0 && left! > 0 ? output.subarray(0, output.length - left!) : undefined;
  };
}

/** zstd's own bound for incompressible input, and a byte to tell "full" from "exactly full". */
const bound = (length: number): number => length + (length >> 8) + 512;

const streamOf = (stream: unknown): Stream => stream as Stream;

export interface ZstdEngine {
  /** The frame, in memory that the next call uses again. */
  compress(plain: Uint8Array): Buffer;
  /** The plain bytes, in memory that the next call uses again; undefined when `packed` is no frame of at most `limit` bytes. */
  decompress(packed: Uint8Array, limit: number): Buffer | undefined;
}

function publicEngine(level: number): ZstdEngine {
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  return {
    compress: (plain) => zstdCompressSync(plain, { params, pledgedSrcSize: plain.length, chunkSize: bound(plain.length) }),
    decompress: (packed, limit) => {
      try {
        return zstdDecompressSync(packed, { maxOutputLength: Math.max(limit, 1), chunkSize: Math.min(limit, 1 << 20) + 64 });
      } catch {
        return undefined;
      }
    },
  };
}

function handleEngine(level: number, fallback: ZstdEngine): ZstdEngine {
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  const pack = runner(() => streamOf(createZstdCompress({ params })), constants.ZSTD_e_end);
  const unpack = runner(() => streamOf(createZstdDecompress()), constants.ZSTD_e_continue);
  return {
    compress: (plain) => (plain.length <= largestBlock ? pack(plain, bound(plain.length)) : undefined) ?? fallback.compress(plain),
    decompress: (packed, limit) => {
      if (limit > largestBlock) return fallback.decompress(packed, limit);
      const plain = unpack(packed, limit + 1);
      return plain && plain.length <= limit ? plain : fallback.decompress(packed, limit);
    },
  };
}

/** The handles do what they should: several blocks, short and long, there and back, and damage is noticed. */
function works(engine: ZstdEngine): boolean {
  try {
    const samples = ['x', 'still point '.repeat(20_000), 'y'.repeat(300)].map((text) => Buffer.from(text));
    const good = samples.every((plain) => {
      const packed = Buffer.from(engine.compress(plain));
      const damaged = packed.subarray(0, packed.length - 2);
      return (
        zstdDecompressSync(packed).equals(plain) &&
        engine.decompress(packed, plain.length)?.equals(plain) &&
        !engine.decompress(damaged, plain.length)?.equals(plain)
      );
    });
    return good;
  } catch {
    return false;
  }
}

const engines = new Map<number, ZstdEngine>();

export function zstdEngine(level: number): ZstdEngine {
  let engine = engines.get(level);
  if (!engine) {
    const fallback = publicEngine(level);
    const fast = handleEngine(level, fallback);
    engine = works(fast) ? fast : fallback;
    engines.set(level, engine);
  }
  return engine;
}
