import { setTimeout as pause } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { BrokenStream, readXbstream } from '../../../src/databases/mysql/physical/xbstream.ts';

const number = (bytes: 4 | 8, value: number): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer.subarray(0, bytes);
};

const head = (kind: string, path: string | Buffer, flags = 0) =>
  Buffer.concat([Buffer.from('XBSTCK01'), Buffer.from([flags]), Buffer.from(kind), number(4, Buffer.from(path).length), Buffer.from(path)]);

const bytes = (path: string | Buffer, offset: number, data: string | Buffer, sum = crc32(data)) =>
  Buffer.concat([head('P', path), number(8, data.length), number(8, offset), number(4, sum), Buffer.from(data)]);

const sparse = (path: string, offset: number, map: readonly (readonly [number, number])[], data: string) => {
  const stretches = Buffer.concat(map.flatMap(([skip, length]) => [number(4, skip), number(4, length)]));
  const sum = crc32(data, crc32(stretches));
  return Buffer.concat([
    head('S', path),
    number(4, map.length),
    number(8, data.length),
    number(8, offset),
    number(4, sum),
    stretches,
    Buffer.from(data),
  ]);
};

const end = (path: string) => head('E', path);

async function* pieces(stream: Buffer, size: number) {
  for (let at = 0; at < stream.length; at += size) yield stream.subarray(at, at + size);
}

async function unpack(stream: Buffer, size = stream.length || 1): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  await readXbstream(pieces(stream, size), async (path, content) => {
    const parts: Buffer[] = [];
    for await (const part of content) parts.push(Buffer.from(part));
    files[path.join('/')] = Buffer.concat(parts).toString('latin1');
  });
  return files;
}

describe('S5 the stream of a hot copy', () => {
  const mixed = Buffer.concat([
    bytes('ib_logfile0', 0, 'redo '),
    bytes('./a/t.ibd', 0, 'page one '),
    bytes('ib_logfile0', 5, 'more'),
    bytes('a/t.ibd', 9, 'page two'),
    end('a/t.ibd'),
    end('empty.CSV'),
    sparse(
      'b.ibd',
      0,
      [
        [2, 3],
        [300, 1],
      ],
      'xyzw',
    ),
    bytes('b.ibd', 306, '!'),
    end('b.ibd'),
    head('Q', 'later', 1),
    number(8, 3),
    number(8, 0),
    number(4, 0),
    Buffer.from('???'),
    end('ib_logfile0'),
  ]);
  const files = {
    ib_logfile0: 'redo more',
    'a/t.ibd': 'page one page two',
    'empty.CSV': '',
    'b.ibd': `\0\0xyz${'\0'.repeat(300)}w!`,
  };

  test('S5 files that come in turn are told apart, wherever the stream is cut', async () => {
    for (const size of [1, 7, 64, mixed.length]) expect(await unpack(mixed, size)).toEqual(files);
  });

  test.each([
    ['a wrong checksum', Buffer.concat([bytes('a', 0, 'x', 1), end('a')]), 'checksum'],
    ['a piece out of its place', Buffer.concat([bytes('a', 0, 'x'), bytes('a', 5, 'x'), end('a')]), 'goes on at 5'],
    ['an end in the middle of a file', bytes('a', 0, 'x'), 'in the middle of a'],
    ['an end in the middle of a piece', bytes('a', 0, 'xyz').subarray(0, -1), 'ends too early'],
    ['an end in the middle of a head', end('a').subarray(0, 9), 'ends too early'],
    ['no stream at all', Buffer.from('mariadb-backup: unknown option --stream'), 'does not begin'],
    ['an unknown kind', head('Q', 'a'), 'unknown kind "Q"'],
    ['a path from the root', bytes('/etc/passwd', 0, 'x'), 'is called'],
    ['a path that climbs', bytes('a/../../b', 0, 'x'), 'is called'],
    ['a path with an empty part', bytes('a//b', 0, 'x'), 'is called'],
    ['a path with a NUL', bytes('a\0b', 0, 'x'), 'is called'],
    ['a path that is no text', bytes(Buffer.from([0xff, 0x61]), 0, 'x'), 'is called'],
    ['a name of 2 GiB', Buffer.concat([head('P', '').subarray(0, 10), number(4, 2 ** 31)]), '2147483648 bytes'],
    ['holes without end', Buffer.concat([head('S', 'a'), number(4, 2 ** 31)]), 'stretches'],
  ])('S5 %s is refused', async (_, stream, words) => {
    await expect(unpack(stream)).rejects.toThrow(words);
    await expect(unpack(stream)).rejects.toBeInstanceOf(BrokenStream);
  });

  test('S5 no more is read than is taken', async () => {
    let read = 0;
    const source = async function* () {
      for (let i = 0; i < 1000; i++) {
        read++;
        yield bytes('a', i, 'x');
      }
      yield end('a');
    };
    const release = Promise.withResolvers<void>();
    const work = readXbstream(source(), async (_, content) => {
      for await (const _part of content) await release.promise;
    });
    await pause(20);
    expect(read).toBeLessThan(4);
    release.resolve();
    await work;
    expect(read).toBe(1000);
  });

  test('S5 one file that cannot be stored ends all of them', async () => {
    const told: unknown[] = [];
    const work = readXbstream(pieces(mixed, 10), async (path, content) => {
      try {
        for await (const _part of content) if (path[0] === 'a') throw new Error('no room');
      } catch (error) {
        told.push([path[0], (error as Error).message]);
        throw error;
      }
    });
    await expect(work).rejects.toThrow('no room');
    expect(told).toEqual([
      ['a', 'no room'],
      ['ib_logfile0', 'no room'],
    ]);
  });
});
