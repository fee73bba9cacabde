// The xbstream format, in which mariadb-backup and xtrabackup send the files of a hot copy: pieces of several files in turn, each with the
// file's name, its place in it and a checksum. It has no end mark of its own: whoever reads it must hear from the tool that all came.
// Source: Percona XtraBackup, "xbstream file format" (storage/innobase/xtrabackup/doc), and what mariadb-backup 10.11 sends.
import { crc32 } from 'node:zlib';
import { BrokenStream, type ByteReader, byteReader } from './byte-reader.ts';
import { type FileLane, fileLane } from './file-lane.ts';

export { BrokenStream } from './byte-reader.ts';

/** Takes the bytes of one file to their end. Several are under way at once; a rejection ends the reading of the stream. */
export type OnFile = (path: readonly string[], bytes: AsyncIterable<Buffer>) => Promise<void>;

const magic = Buffer.from('XBSTCK01');
/** Bytes of magic, flags, kind and the length of the name. */
const headSize = 14;
const longestPath = 4096;
/** Of a sparse piece: so many stretches at most; the tools make a few hundred. */
const mostStretches = 1 << 20;
const zeros = Buffer.alloc(64 << 10);

/** An unknown kind of piece may be passed over if it has this flag. */
const ignorable = 1;

/**
 * Calls `onFile` for each file as its first bytes come; resolves when the stream has ended and all of them are through. At most one piece of
 * what came waits for each file. Throws BrokenStream, what the input throws, and what `onFile` throws.
 */
export async function readXbstream(input: AsyncIterable<Uint8Array>, onFile: OnFile): Promise<void> {
  const reader = byteReader(input);
  const open = new Map<string, FileLane>();
  const done: Promise<void>[] = [];
  try {
    for (;;) {
      const head = await reader.upTo(headSize);
      if (head.length === 0) break;
      const { name, kind } = await headOf(head, reader.exactly);
      if (kind === 'ignored') {
        await pass(reader, (await sizesOf(reader.exactly)).size);
        continue;
      }
      const lane = open.get(name) ?? begin(open, name, onFile, done);
      if (kind !== 'end') await fill(lane, name, kind, reader);
      else {
        open.delete(name);
        await lane.end();
      }
    }
    const [unended] = open.keys();
    if (unended !== undefined) throw new BrokenStream(`it ends in the middle of ${unended}`);
    await Promise.all(done);
  } catch (error) {
    for (const lane of open.values()) lane.fail(error);
    await Promise.allSettled(done);
    throw error;
  }
}

function begin(open: Map<string, FileLane>, name: string, onFile: OnFile, done: Promise<void>[]): FileLane {
  const lane = fileLane((bytes) => onFile(name.split('/'), bytes));
  open.set(name, lane);
  done.push(lane.taken);
  return lane;
}

type Exactly = (count: number) => Promise<Buffer>;

interface Head {
  readonly name: string;
  readonly kind: 'bytes' | 'sparse' | 'end' | 'ignored';
}

async function headOf(head: Buffer, exactly: Exactly): Promise<Head> {
  if (head.length < headSize) throw new BrokenStream('it ends too early');
  if (!head.subarray(0, 8).equals(magic)) throw new BrokenStream('a piece does not begin as it must');
  const [flags, letter] = [head[8]!, String.fromCharCode(head[9]!)];
  const length = head.readUInt32LE(10);
  if (length === 0 || length > longestPath) throw new BrokenStream(`the name of a file has ${length} bytes`);
  const name = plainName(await exactly(length));
  if (letter === 'P') return { name, kind: 'bytes' };
  if (letter === 'S') return { name, kind: 'sparse' };
  if (letter === 'E') return { name, kind: 'end' };
  if ((flags & ignorable) !== 0) return { name, kind: 'ignored' };
  throw new BrokenStream(`it has a piece of the unknown kind ${JSON.stringify(letter)}`);
}

/** Names lead nowhere but below the directory that is copied. */
function plainName(bytes: Buffer): string {
  const name = bytes.toString('utf8').replace(/^(\.\/)+/, '');
  const odd = !Buffer.from(bytes.toString('utf8')).equals(bytes) || /\p{Cc}/u.test(name);
  if (odd || name.split('/').some((part) => part === '' || part === '.' || part === '..'))
    throw new BrokenStream(`a file of it is called ${JSON.stringify(name)}`);
  return name;
}

async function sizesOf(exactly: Exactly): Promise<{ readonly size: number; readonly offset: number; readonly checksum: number }> {
  const sizes = await exactly(20);
  const [size, offset] = [Number(sizes.readBigUInt64LE(0)), Number(sizes.readBigUInt64LE(8))];
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(offset)) throw new BrokenStream('a piece is larger than anything');
  return { size, offset, checksum: sizes.readUInt32LE(16) };
}

/** Hands the bytes of one piece on as they come; whether they were right is known at its end. */
async function fill(lane: FileLane, name: string, kind: 'bytes' | 'sparse', reader: ByteReader): Promise<void> {
  const count = kind === 'sparse' ? (await reader.exactly(4)).readUInt32LE(0) : 0;
  if (count > mostStretches) throw new BrokenStream(`a piece of ${name} has ${count} stretches`);
  const { size, offset, checksum } = await sizesOf(reader.exactly);
  if (offset !== lane.written()) throw new BrokenStream(`${name} goes on at ${offset} after ${lane.written()} bytes`);
  const map = await reader.exactly(count * 8);
  let sum = crc32(map);
  let rest = size;
  const copy = async (length: number) => {
    if (length > rest) throw new BrokenStream(`a piece of ${name} has less than it says`);
    rest -= length;
    for await (const part of reader.pieces(length)) {
      sum = crc32(part, sum);
      await lane.push(part);
    }
  };
  for (let at = 0; at < map.length; at += 8) {
    for (let hole = map.readUInt32LE(at); hole > 0; hole -= Math.min(hole, zeros.length)) await lane.push(zeros.subarray(0, hole));
    await copy(map.readUInt32LE(at + 4));
  }
  if (kind === 'bytes') await copy(size);
  if (rest > 0) throw new BrokenStream(`a piece of ${name} has more than it says`);
  if (sum !== checksum) throw new BrokenStream(`the checksum of a piece of ${name} is wrong`);
}

async function pass(reader: ByteReader, size: number): Promise<void> {
  for await (const part of reader.pieces(size)) void part;
}
