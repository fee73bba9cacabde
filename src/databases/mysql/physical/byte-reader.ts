// Bytes that come in pieces of any size, read by numbers.

/** What is wrong with a stream. */
export class BrokenStream extends Error {}

export interface ByteReader {
  /** Fewer where the input ends. */
  upTo(count: number): Promise<Buffer>;
  /** Throws BrokenStream where the input ends before. */
  exactly(count: number): Promise<Buffer>;
  /** The next `count` bytes in pieces as they came, nothing copied. Throws BrokenStream where the input ends before. */
  pieces(count: number): AsyncGenerator<Buffer>;
}

export function byteReader(input: AsyncIterable<Uint8Array>): ByteReader {
  const source = input[Symbol.asyncIterator]();
  let rest = Buffer.alloc(0);

  /** Up to `count` bytes of what is there, none at the input's end. */
  const take = async (count: number): Promise<Buffer> => {
    while (rest.length === 0) {
      const next = await source.next();
      if (next.done === true) return rest;
      rest = Buffer.from(next.value.buffer as ArrayBuffer, next.value.byteOffset, next.value.byteLength);
    }
    const part = rest.subarray(0, count);
    rest = rest.subarray(part.length);
    return part;
  };
  const upTo = async (count: number): Promise<Buffer> => {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; left -= parts.at(-1)!.length) {
      const part = await take(left);
      if (part.length === 0) break;
      parts.push(part);
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  };
  const short = (): never => {
    throw new BrokenStream('it ends too early');
  };
  return {
    upTo,
    exactly: async (count) => {
      const bytes = await upTo(count);
      return bytes.length === count ? bytes : short();
    },
    pieces: async function* (count) {
      for (let left = count; left > 0; ) {
        const part = await take(left);
        if (part.length === 0) short();
        left -= part.length;
        yield part;
      }
    },
  };
}
