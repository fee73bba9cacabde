// Connections to pools and buckets leave from the address of the gateway.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { throughGateway } from '../../src/agent/access.ts';
import { runTask } from '../../src/agent/run-task.ts';
import { taskHost } from '../../src/agent/task-host.ts';
import { providers } from '../../src/agent/wiring.ts';
import { probePool } from '../../src/backends/open.ts';
import { bandwidthLimit } from '../../src/base/limit.ts';
import { layoutOf } from '../../src/config/layout.ts';
import type { PoolAccess } from '../../src/model/pool.ts';
import type { TaskSpec } from '../../src/model/task.ts';
import type { GatewayRow } from '../../src/state/gateways.ts';
import { openState } from '../../src/state/state.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { doorTo, newBucketIn } from '../beds/s3-door.ts';
import { backupTask, filesOf } from '../beds/vault.ts';

let store: Radosgw;
let bucket: string;
const doors: Server[] = [];
/** Where each connection came from. */
let seen: string[] = [];
/** Ports of doors on 127.0.0.1 and on ::1. */
let ports: { readonly four: number; readonly six: number };

beforeAll(async () => {
  store = await startRadosgw();
  bucket = await newBucketIn(store);
  ports = { four: await doorAt('127.0.0.1'), six: await doorAt('::1') };
});
afterAll(async () => {
  for (const door of doors) door.close();
  await store?.stop();
});
beforeEach(() => {
  seen = [];
});

/** A way to the store that remembers who came. */
async function doorAt(host: string): Promise<number> {
  const server = createServer((socket) => {
    seen.push(socket.remoteAddress ?? '');
    const inner = connect(store.port, '127.0.0.1');
    pipeline(socket, inner).catch(() => undefined);
    pipeline(inner, socket).catch(() => undefined);
  });
  doors.push(server);
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const pool = (endpoint: string, localAddress?: string, more: { readonly bucket?: string } = {}): PoolAccess => ({
  ...doorTo(store, { endpoint, bucket, ...more }),
  id: 'pool',
  bandwidth: 0,
  ...(localAddress !== undefined && { localAddress }),
});
const vaultIn = (access: PoolAccess) => ({ pool: access, path: 'v/a', password: 'password' });
const run = (spec: TaskSpec) =>
  runTask(spec, {
    signal: new AbortController().signal,
    warn: () => undefined,
    progress: () => undefined,
    out: new PassThrough(),
    keeper: { willWrite: async () => undefined, removed: async () => undefined },
    limit: bandwidthLimit(0),
    host: { ...taskHost(layoutOf()), own: [] },
  });

describe('the address of the gateway', () => {
  it.each(['127.0.0.2', '127.0.0.3'])(
    'P3 %s is where a pool is tried, written and read from, and a bucket is backed up from',
    async (address) => {
      const own = await newBucketIn(store);
      const access = pool(`http://127.0.0.1:${ports.four}`, address, { bucket: own });
      const vault = vaultIn(access);
      await run({ type: 'probe', pool: access, create: false, bind: true });
      await run({ type: 'vault-create', vault, recoveryKey: 'recovery' });
      const { place, credentials } = access;
      if (place.type !== 's3') throw new Error('a bucket is expected');
      const other = await newBucketIn(store);
      const source = { kind: 'bucket', place: { ...place, bucket: other }, credentials: credentials!, versions: false } as const;
      await run({ ...backupTask(source as never), vault });
      // Of the source's own connection, too.
      expect(new Set(seen)).toEqual(new Set([address]));
    },
  );

  it('P3 may be of IPv6, with a name as with an address', async () => {
    const access = pool(`http://[::1]:${ports.six}`, '::1');
    await run({ type: 'probe', pool: access, create: false, bind: true });
    // The system would answer with what comes first.
    const lookup = ((_: string, { family }: { family?: number }, tell: (error: null, address: string, family: number) => void) =>
      family === 6 ? tell(null, '::1', 6) : tell(null, '127.0.0.1', 4)) as unknown as typeof import('node:dns').lookup;
    await probePool(providers, pool(`http://${store.dnsName}:${ports.six}`, '::1'), false, { network: { lookup } });
    await probePool(providers, pool(`http://${store.dnsName}:${ports.four}`, '127.0.0.2'), false, { network: { lookup } });
    expect(new Set(seen)).toEqual(new Set(['::1', '127.0.0.2']));
  });

  it.each([
    ['127.0.0.1', '192.0.2.77', 'this host does not have it'],
    ['[::1]', '2001:db8::77', 'this host does not have it'],
    ['127.0.0.1', '::1', 'what is to be reached has an address of the other kind (IPv4 or IPv6)'],
  ])('P3 to %s from %s is told at once as what it is', async (host, address, detail) => {
    const port = host === '[::1]' ? ports.six : ports.four;
    const access = pool(`http://${host}:${port}`, address);
    const told = { code: 'GATEWAY_ADDRESS', message: `the gateway address ${address} is unusable: ${detail}` };
    await expect(run({ type: 'probe', pool: access, create: false, bind: false })).rejects.toMatchObject(told);
    await expect(run({ type: 'vault-scan', vault: vaultIn(access) })).rejects.toMatchObject(told);
    expect(seen).toEqual([]);
  });
});

describe('the date of a bucket', () => {
  it('B3 is asked for before anything expires', async () => {
    const vault = vaultIn(pool(store.endpoint, undefined, { bucket: await newBucketIn(store) }));
    await run({ type: 'probe', pool: vault.pool, create: false, bind: true });
    await run({ type: 'vault-create', vault, recoveryKey: 'recovery' });
    const { record } = await run({ ...backupTask(filesOf('/etc/hostname')), vault });
    const expire = (now: number) => run({ type: 'forget', vault, records: [record!.id], expire: true, now });
    const day = 24 * 60 * 60_000;
    for (const now of [Date.now() + 2 * day, Date.now() - 2 * day])
      await expect(expire(now)).rejects.toMatchObject({ code: 'CLOCK_DOUBTED' });
    expect((await run({ type: 'vault-scan', vault })).records).toHaveLength(1);
    await expire(Date.now());
    expect((await run({ type: 'vault-scan', vault })).records).toEqual([]);
  });
});

describe('the gateway of an agent', () => {
  const state = openState(':memory:');
  afterAll(() => state.close());
  afterEach(() => void state.gateways.remove('g'));
  const gateway = (change: Partial<GatewayRow>) =>
    state.gateways.insert({ id: 'g', tenant: 'default', name: 'g', address: null, bandwidth: 0, createdAt: 0, updatedAt: 0, ...change });
  const through = (bandwidth: number) => {
    const { localAddress, bandwidth: least } = throughGateway({ state }, { ...pool('http://x'), bandwidth });
    return [localAddress, least];
  };

  it('P3 gives its address to whoever reaches a pool, and the lesser of its bandwidth and the pool’s', () => {
    expect(through(5)).toEqual([undefined, 5]);
    gateway({ address: '127.0.0.2', bandwidth: 10 });
    expect([through(0), through(5), through(20)]).toEqual([
      ['127.0.0.2', 10],
      ['127.0.0.2', 5],
      ['127.0.0.2', 10],
    ]);
  });

  it('P3 without an address and without a bandwidth changes nothing; another tenant’s neither', () => {
    gateway({});
    expect(through(5)).toEqual([undefined, 5]);
    state.gateways.remove('g');
    gateway({ tenant: 'other', address: '127.0.0.2', bandwidth: 1 });
    expect(through(5)).toEqual([undefined, 5]);
  });
});
