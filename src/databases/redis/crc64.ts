// The checksum of RDB files and of DUMP: CRC-64 "Jones", eight bytes a step. 64 bits are two halves of 32, since BigInt would be slow.

/** The polynomial ad93d23594c935a9 with its bits reversed. */
const polynomial = 0x95ac9329ac4bc9b5n;

/** Entry n of table k, at 2 * (256 * k + n): the low half, then the high one. Table k is for a byte with k bytes behind it. */
const tables = new Int32Array(8 * 256 * 2);
for (let n = 0; n < 256; n++) {
  let crc = BigInt(n);
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
  tables[2 * n] = Number(crc & 0xffffffffn) | 0;
  tables[2 * n + 1] = Number(crc >> 32n) | 0;
}
for (let k = 1; k < 8; k++) {
  for (let n = 0; n < 256; n++) {
    const before = 2 * (256 * (k - 1) + n);
    const [low, high] = [tables[before]!, tables[before + 1]!];
    const shifted = 2 * (low & 255);
    tables[2 * (256 * k + n)] = ((low >>> 8) | (high << 24)) ^ tables[shifted]!;
    tables[2 * (256 * k + n) + 1] = (high >>> 8) ^ tables[shifted + 1]!;
  }
}

export interface Crc64 {
  update(bytes: Uint8Array): void;
  /** Eight bytes, the lowest first, as Redis writes them. */
  digest(): Buffer;
}

export function crc64(): Crc64 {
  let low = 0;
  let high = 0;
  return {
    update: (bytes) => {
      const t = tables;
      let [l, h] = [low, high];
      let at = 0;
      for (const end = bytes.length - 7; at < end; at += 8) {
        l ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
        h ^= bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
        const a = 3584 + 2 * (l & 255);
        const b = 3072 + 2 * ((l >>> 8) & 255);
        const c = 2560 + 2 * ((l >>> 16) & 255);
        const d = 2048 + 2 * (l >>> 24);
        const e = 1536 + 2 * (h & 255);
        const f = 1024 + 2 * ((h >>> 8) & 255);
        const g = 512 + 2 * ((h >>> 16) & 255);
        const i = 2 * (h >>> 24);
        l = t[a]! ^ t[b]! ^ t[c]! ^ t[d]! ^ t[e]! ^ t[f]! ^ t[g]! ^ t[i]!;
        h = t[a + 1]! ^ t[b + 1]! ^ t[c + 1]! ^ t[d + 1]! ^ t[e + 1]! ^ t[f + 1]! ^ t[g + 1]! ^ t[i + 1]!;
      }
      for (; at < bytes.length; at++) {
        const n = 2 * ((l ^ bytes[at]!) & 255);
        l = ((l >>> 8) | (h << 24)) ^ t[n]!;
        h = (h >>> 8) ^ t[n + 1]!;
      }
      low = l;
      high = h;
    },
    digest: () => {
      const bytes = Buffer.alloc(8);
      bytes.writeInt32LE(low, 0);
      bytes.writeInt32LE(high, 4);
      return bytes;
    },
  };
}
