// How a copy of Redis is read: by its parts, in any pieces, whole or not at all; and what servers do that go wrong.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { crc64 } from '../../src/databases/redis/crc64.ts';
import { rdbVersionOf } from '../../src/databases/redis/facts.ts';
import { matcher } from '../../src/databases/redis/glob.ts';
import { rdbProof } from '../../src/databases/redis/rdb-proof.ts';
import { redisSource } from '../../src/databases/redis/source.ts';
import type { Store } from '../../src/ports/source.ts';
import { freePort, run } from '../beds/programs.ts';
import { type RedisServer, startRedis } from '../beds/redis.ts';
import { fillRedis } from '../beds/redis-data.ts';

let root: string;
let redis: RedisServer;
/** What Redis's own tool makes of `redis`. */
let copy: Buffer;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'redis-'));
  redis = await startRedis({ dir: join(root, 'server'), options: { 'maxmemory-policy': 'allkeys-lfu' } });
  await fillRedis(redis, 200_000);
  await run('redis-cli', ['-s', redis.socket, '--rdb', join(root, 'copy.rdb')]);
  copy = readFileSync(join(root, 'copy.rdb'));
}, 60_000);

afterAll(async () => {
  await redis.kill();
  rmSync(root, { recursive: true, force: true });
});

const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const one of open.splice(0)) 'destroy' in one ? one.destroy() : one.close();
});

/** The keys, libraries and lengths of values that a copy has, cut into pieces of `size`. */
function parts(bytes: Buffer, size: number): string[] {
  const found: string[] = [];
  let length = 0;
  const proof = rdbProof({
    key: ({ database, name, expiresAt, frequency }) => {
      found.push(`${database} ${name.toString('hex')} ${expiresAt} ${frequency}`);
      length = 0;
    },
    value: (piece) => {
      length += piece.length;
    },
    valueEnd: () => found.push(`${length} bytes`),
    library: (code) => found.push(code.toString()),
  });
  for (let at = 0; at < bytes.length; at += size) proof.push(bytes.subarray(at, at + size));
  found.push(JSON.stringify(proof.end()));
  return found;
}

it('S8 a copy reads the same in pieces of any size', { timeout: 60_000 }, async () => {
  const whole = parts(copy, copy.length);
  expect(whole.filter((part) => part.endsWith('bytes'))).toHaveLength((await redis.client.dbsize()) + 4);
  expect(whole.at(-1)).toContain(`"version":10,"bytes":${copy.length},"checksum":"`);
  for (const size of [1, 7, 4096, 65_536]) expect(parts(copy, size)).toEqual(whole);
});

it('S8 a copy that is cut, longer or changed by one bit is none', { timeout: 60_000 }, () => {
  for (let i = 0; i < 100; i++) {
    const at = Math.floor((copy.length * i) / 100);
    expect(() => parts(copy.subarray(0, at), 65_536), `cut at ${at}`).toThrow();
    const changed = Buffer.from(copy);
    changed[at]! ^= 1 << (i % 8);
    expect(() => parts(changed, 65_536), `changed at ${at}`).toThrow();
  }
  expect(() => parts(Buffer.concat([copy, Buffer.alloc(1)]), 65_536)).toThrow();
});

it('S8 the checksum is the one of Redis', () => {
  const sum = crc64();
  sum.update(Buffer.from('123456789'));
  expect(sum.digest().reverse().toString('hex')).toBe('e9c6d914c4b8d9ca');
});

it('B8 a pattern means the keys that it means to KEYS', { timeout: 60_000 }, async () => {
  const { client } = redis;
  const patterns = [
    '*',
    '?',
    'many:1*',
    'many:[1-3]?',
    'many:[^1-3]*',
    '*[l',
    'set\\ *',
    'h?s[a-]*',
    '[z-a]*t*',
    '**a**',
    'a\\',
    '[^',
    'many:*9*8',
    '',
    'te[\\x]t',
  ];
  const keys = await client.keysBuffer('*');
  for (const pattern of patterns) {
    const theirs = (await client.keysBuffer(pattern)).map((key) => key.toString('hex')).sort();
    const fits = matcher(pattern);
    expect(
      keys
        .filter(fits)
        .map((key) => key.toString('hex'))
        .sort(),
      pattern,
    ).toEqual(theirs);
  }
});

it('B8 values of a newer server are known for what they are', () => {
  expect(['6.2.14', '7.0.15', '7.2.4', '7.4.0'].map(rdbVersionOf)).toEqual([9, 10, 11, 12]);
});

/** A server that lets everybody in and answers PSYNC with `answer`. */
async function masterThat(answer: (socket: Socket) => void): Promise<number> {
  const port = await freePort();
  const server = createServer((socket) => {
    open.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      for (const [, name] of bytes.toString('latin1').matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
        if (name === 'INFO') socket.write(bulk('redis_version:7.0.15\r\nrole:master\r\n'));
        else if (name === 'PSYNC') answer(socket);
        else socket.write('+OK\r\n');
      }
    });
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return port;
}

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
const accepted = `+FULLRESYNC ${'a'.repeat(40)} 17\r\n`;
const mark = 'm'.repeat(40);

/** Bytes of the copy that the source stored. Rejects as a backup would. */
async function gatheredFrom(port: number, end?: (close: () => void) => void): Promise<Buffer> {
  const context = { warn: () => undefined, signal: new AbortController().signal, scratch: () => root };
  const source = await redisSource({ kind: 'redis', method: 'logical', server: { port } }, context, { silence: 400, fork: 200 });
  end?.(() => void source.close());
  const stored: Buffer[] = [];
  const store: Store = async (stream) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of stream) pieces.push(Buffer.from(piece));
    stored.push(Buffer.concat(pieces));
    return { kind: 'stored', content: [], size: stored.at(-1)!.length };
  };
  try {
    await source.gather!(store);
  } finally {
    await source.close();
    await source.close();
  }
  return stored[0]!;
}

/** In pieces of `size`, so that every border falls everywhere. */
const inPieces = async (socket: Socket, bytes: Buffer, size: number) => {
  // The middle in one: borders matter at both ends.
  const ends = [bytes.subarray(0, 200), bytes.subarray(200, -200), bytes.subarray(-200)];
  for (const [i, part] of ends.entries())
    for (let at = 0; at < part.length && !socket.destroyed; at += i === 1 ? 65_536 : size) {
      socket.write(part.subarray(at, at + (i === 1 ? 65_536 : size)));
      await pause(1);
    }
};

it.each([17, 40, 1013, 65_536])('S8 both forms of the stream are taken, in pieces of %d bytes', { timeout: 60_000 }, async (size) => {
  const head = (text: string) => Buffer.from(`${accepted}\n\n${text}\r\n`);
  const marked = Buffer.concat([head(`$EOF:${mark}`), copy, Buffer.from(mark)]);
  expect((await gatheredFrom(await masterThat((socket) => void inPieces(socket, marked, size)))).equals(copy)).toBe(true);
  const counted = Buffer.concat([head(`$${copy.length}`), copy, Buffer.from('*1\r\n$4\r\nPING\r\n')]);
  expect((await gatheredFrom(await masterThat((socket) => void inPieces(socket, counted, size)))).equals(copy)).toBe(true);
});

it('S8 a server that breaks off, falls silent, forks for ever or says no is told as it is', { timeout: 60_000 }, async () => {
  const half = copy.subarray(0, copy.length / 2);
  const begin = `${accepted}$EOF:${mark}\r\n`;
  const answers: [string, (socket: Socket) => void, object][] = [
    ['breaks off', (socket) => socket.end(Buffer.concat([Buffer.from(begin), half])), { code: 'DATABASE_DOWN' }],
    ['breaks off behind its copy', (socket) => socket.end(Buffer.concat([Buffer.from(begin), copy])), { code: 'DATABASE_DOWN' }],
    ['ends too early', (socket) => socket.write(Buffer.concat([Buffer.from(begin), half, Buffer.from(mark)])), { code: 'DATABASE_FAILED' }],
    [
      'falls silent',
      (socket) => socket.write(Buffer.concat([Buffer.from(begin), half])),
      { code: 'DATABASE_DOWN', message: expect.stringContaining('nothing came') },
    ],
    ['says no', (socket) => socket.write('-LOADING Redis is loading the dataset in memory\r\n'), { code: 'DATABASE_BUSY' }],
    ['runs a script', (socket) => socket.write('-BUSY Redis is busy running a script.\r\n'), { code: 'DATABASE_BUSY' }],
    ['would go on', (socket) => socket.write('+CONTINUE\r\n'), { code: 'DATABASE_FAILED', message: expect.stringContaining('+CONTINUE') }],
    [
      'cannot fork',
      (socket) => socket.write(`${accepted}-ERR BGSAVE failed\r\n`),
      { code: 'DATABASE_FAILED', message: expect.stringContaining('BGSAVE') },
    ],
  ];
  for (const [what, answer, error] of answers) await expect(gatheredFrom(await masterThat(answer)), what).rejects.toMatchObject(error);

  const forever = await masterThat((socket) => {
    socket.write(accepted);
    const timer = setInterval(() => socket.write('\n'), 100);
    socket.on('close', () => clearInterval(timer));
  });
  await expect(gatheredFrom(forever)).rejects.toMatchObject({
    code: 'DATABASE_BUSY',
    message: expect.stringContaining('without progress'),
  });
  const waiting = gatheredFrom(forever, (close) => setTimeout(close, 300));
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
});
