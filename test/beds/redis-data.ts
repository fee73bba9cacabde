// Data of every kind that Redis has, and what a server holds in a form that can be compared.
import { createHash, randomBytes } from 'node:crypto';
import type { RedisServer } from './redis.ts';

const odd = Buffer.from([0, 255, 10, 13, 39, 34, 0xc3, 0x28]);

/** `bytes`: of the one large value. */
export async function fillRedis({ client }: RedisServer, bytes: number): Promise<void> {
  const words = Array.from({ length: 3000 }, (_, i) => `word ${i} ${'x'.repeat(i % 90)}`);
  await client.select(0);
  await client.set('text', 'a text');
  await client.set('number', '-12345');
  await client.set('small', '7');
  await client.set('long', '1234567890123456789');
  await client.set('empty', '');
  await client.set(odd, odd);
  await client.set(Buffer.from(`name ${'long '.repeat(400)}`), 'under a name that is kept packed');
  await client.set('large', randomBytes(bytes));
  await client.set('packed', 'again and again '.repeat(20_000));
  await client.rpush('list small', 'a', 'b', '3');
  await client.rpush('list', ...words, 'y'.repeat(20_000));
  await client.rpush('list large', ...Array.from({ length: 20_000 }, () => randomBytes(75).toString('base64')));
  await client.sadd('set of numbers', 1, 2, 300_000);
  await client.sadd('set small', 'a', 'b');
  await client.sadd('set', ...words);
  await client.zadd('sorted small', 1.5, 'a', '-inf', 'b', '+inf', 'c');
  await client.zadd('sorted', ...words.flatMap((word, i) => [i / 7, word]));
  await client.hset('hash small', { a: '1', b: 'two' });
  await client.hset('hash', Object.fromEntries(words.map((word, i) => [word, `value ${i}`])));
  for (let i = 0; i < 500; i++) await client.xadd('stream', '*', 'n', String(i), 'text', words[i]!);
  await client.xdel('stream', ((await client.xrange('stream', '-', '+', 'COUNT', 1))[0] as [string, string[]])[0]);
  await client.xgroup('CREATE', 'stream', 'readers', '0');
  await client.xgroup('CREATE', 'stream', 'late', '$');
  await client.xreadgroup('GROUP', 'readers', 'one', 'COUNT', 20, 'STREAMS', 'stream', '>');
  await client.xreadgroup('GROUP', 'readers', 'two', 'COUNT', 5, 'STREAMS', 'stream', '>');
  await client.setbit('bits', 70_000, 1);
  await client.pfadd('hyperloglog', ...words);
  await client.geoadd('places', 13.36, 38.11, 'Palermo', 15.08, 37.5, 'Catania');
  await client.set('expires', 'later', 'PXAT', farAway);
  await client.hset('hash that expires', { a: '1' });
  await client.pexpireat('hash that expires', farAway + 12_345);
  await client.call('FUNCTION', 'LOAD', "#!lua name=stock\nredis.register_function('one', function() return 1 end)");
  const pipeline = client.pipeline();
  for (let i = 0; i < 800; i++) pipeline.set(`many:${i}`, `value ${i}`);
  await pipeline.exec();
  for (const database of [1, 15]) {
    await client.select(database);
    await client.set('text', `of database ${database}`);
    await client.hset('where', { database });
  }
  await client.select(0);
}

const farAway = 4_102_444_800_123;

/** By `database/key in hex`: what DUMP gives and when it expires. The library of functions is one more entry. */
export async function stateOf({ client }: Pick<RedisServer, 'client'>): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  for (const database of [0, 1, 15]) {
    await client.select(database);
    for (const key of (await client.keysBuffer('*')).sort(Buffer.compare)) {
      const type = await client.type(key);
      const value = hash(await canonical(client, key, type));
      state.set(`${database}/${key.toString('hex')}`, `${type} ${value} ${await client.pexpiretime(key)}`);
    }
  }
  await client.select(0);
  const functions = await client.callBuffer('FUNCTION', 'DUMP');
  state.set('functions', hash(functions));
  return state;
}

const hash = (value: unknown): string =>
  createHash('sha256')
    .update(Buffer.isBuffer(value) ? value : JSON.stringify(value))
    .digest('hex');

/** In an order that does not depend on the server's own hash seed. */
async function canonical(client: RedisServer['client'], key: Buffer, type: string): Promise<unknown> {
  const hex = (all: readonly unknown[]): unknown[] =>
    all.map((one) => (Buffer.isBuffer(one) ? one.toString('hex') : Array.isArray(one) ? hex(one) : one));
  switch (type) {
    case 'string':
      return client.getBuffer(key);
    case 'list':
      return hex(await client.lrangeBuffer(key, 0, -1));
    case 'set':
      return hex(await client.smembersBuffer(key)).sort();
    case 'zset':
      return hex(await client.zrangeBuffer(key, 0, '-1', 'WITHSCORES'));
    case 'hash': {
      const flat = hex((await client.callBuffer('HGETALL', key)) as unknown[]) as string[];
      return flat.flatMap((field, i) => (i % 2 === 0 ? [`${field}=${flat[i + 1]}`] : [])).sort();
    }
    case 'stream': {
      const [entries, about, groups] = [
        await client.xrangeBuffer(key, '-', '+'),
        await client.callBuffer('XINFO', 'STREAM', key),
        await client.callBuffer('XINFO', 'GROUPS', key),
      ] as unknown[][];
      const pending = (await client.callBuffer('XPENDING', key, 'readers', '-', '+', '1000')) as unknown[][];
      // Without how long ago it was delivered.
      const stable = pending.map(([id, consumer, , deliveries]) => [id, consumer, deliveries]);
      return hex([entries!, about!.filter((_, i) => i < 4 || i > 7), groups!, stable]);
    }
    default:
      throw new Error(`${type} is new`);
  }
}
