// The gateway, and the watch over pools.
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bandwidthOf, ownAddress } from '../../../src/agent/gateway.ts';
import { gatewayMethods } from '../../../src/agent/methods/gateway.ts';
import { createPoolBinder, poolMethods } from '../../../src/agent/methods/pools.ts';
import { createPoolWatch } from '../../../src/agent/pool-watch.ts';
import { failure } from '../../../src/base/errors.ts';
import type { Call } from '../../../src/rpc/handlers.ts';
import type { GatewaySet } from '../../../src/rpc/schemas-gateway.ts';
import { type Bed, openBed } from './vault-bed.ts';

let bed: Bed;
beforeEach(() => {
  bed = openBed();
});
afterEach(() => bed.state.close());

const call = { caller: { name: 'root', address: 'local' }, signal: new AbortController().signal } satisfies Call;
const code = (wanted: string) => expect.objectContaining({ code: wanted });
const bucket = { type: 's3', endpoint: 'https://h', bucket: 'dbs', prefix: '', region: 'r', addressing: 'path', caPem: '' } as const;
const minute = 60_000;

describe('gateway', () => {
  it('P3 takes an IPv4 or IPv6 address that this host has, however it is written', () => {
    const own = ['127.0.0.1', '192.0.2.7', '2001:db8::1', '::1', 'fe80::1%eth0'];
    expect(ownAddress('192.0.2.7', own)).toBe('192.0.2.7');
    expect(ownAddress('2001:DB8:0:0::1', own)).toBe('2001:db8::1');
    expect(ownAddress('0:0::1', own)).toBe('::1');
    const refused = (text: string) => expect(() => ownAddress(text, own), text);
    for (const text of ['192.0.2.8', '2001:db8::2', '0.0.0.0', '::', '::ffff:192.0.2.7'])
      refused(text).toThrow('this host does not have it');
    for (const text of ['', 'host', '192.0.2', '192.0.2.7/24', '192.0.2.7\n']) refused(text).toThrow('neither IPv4 nor IPv6');
    refused('fe80::1%eth0').toThrow('one link');
    const here = Object.values(networkInterfaces()).flat()[0]?.address ?? '127.0.0.1';
    expect(ownAddress(here.split('%')[0] ?? '')).toBeTruthy();
  });

  it('P3 is one a tenant, keeps what is not named, and says when its address is gone', () => {
    const { gatewaySet, gatewayShow } = gatewayMethods(bed.context, bed.desk);
    const set = async (body: GatewaySet) => gatewaySet({ body }, call);
    expect(() => gatewayShow({}, call)).toThrow(code('NOT_FOUND'));
    set({ address: '127.0.0.1', bandwidth: 100 });
    set({ name: 'out' });
    expect(bed.state.gateways.count()).toBe(1);
    expect(gatewayShow({}, call)).toMatchObject({
      name: 'out',
      address: '127.0.0.1',
      bandwidth: 100,
      state: 'available',
      tenant: 'default',
    });
    expect(() => gatewaySet({ body: { address: '192.0.2.1' } }, call)).toThrow(code('GATEWAY_ADDRESS'));
    expect(() => gatewaySet({ body: { name: 'a b' } }, call)).toThrow(code('NAME_INVALID'));
    const [row] = bed.state.gateways.where([]);
    bed.state.gateways.update(row?.id ?? '', { address: '192.0.2.1' });
    expect(gatewayShow({}, call)).toMatchObject({ state: 'error', stateDetail: expect.stringContaining('192.0.2.1') });
    set({ address: null });
    expect(gatewayShow({}, call)).toMatchObject({ state: 'available', address: null, bandwidth: 100 });
  });

  it('P3 limits every pool at once, running tasks too, to the smaller of both limits', async () => {
    const [wide, narrow] = [bed.pool('wide'), bed.pool('narrow', bucket, { bandwidth: 50 })];
    const { gatewaySet, gatewayRemove } = gatewayMethods(bed.context, bed.desk);
    const told = () => Object.fromEntries(bed.bandwidths.splice(0));
    gatewaySet({ body: { bandwidth: 80 } }, call);
    expect(told()).toEqual({ [wide.id]: 80, [narrow.id]: 50 });
    gatewaySet({ body: { bandwidth: 20 } }, call);
    expect(told()).toEqual({ [wide.id]: 20, [narrow.id]: 20 });
    expect(bandwidthOf(bed.state, narrow)).toBe(20);
    const { poolUpdate } = poolMethods(bed.context, bed.desk, createPoolBinder(bed.context, bed.desk));
    await poolUpdate({ params: { id: 'wide' }, body: { bandwidth: 30 } }, call);
    await poolUpdate({ params: { id: 'narrow' }, body: { bandwidth: 10 } }, call);
    expect(told()).toEqual({ [wide.id]: 20, [narrow.id]: 10 });
    expect(() => gatewayRemove({}, call)).toThrow(code('IN_USE'));
    bed.state.pools.remove(narrow.id);
    gatewayRemove({}, call);
    expect(told()).toEqual({ [wide.id]: 30 });
    expect(bed.state.gateways.count()).toBe(0);
  });
});

describe('watch over pools', () => {
  const events = () => bed.state.events.where([]).map(({ type, content, count }) => [type, content, count]);
  const probes = () => bed.running().filter(({ type }) => type === 'probe');
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const gone = failure('POOL_MARKER_MISSING', { pool: 'p', location: '/p' }).toProblem();

  /** Ticks every 15 s; answers which pools were probed when (minutes since the start), all of them as `answer` says. */
  async function watch(minutes: number, answer: (name: string) => boolean) {
    const poolWatch = createPoolWatch(bed.context, bed.desk);
    const seen: string[] = [];
    for (let n = 0; n < minutes * 4; n++) {
      const ticked = poolWatch.tick(bed.pass(minute / 4));
      for (const task of probes()) {
        seen.push(`${task.name}@${(n + 1) / 4}`);
        if (answer(task.name)) bed.finish(task.id, { probe: { steps: [{ right: 'put', ok: true }] } });
        else bed.fail(task.id, gone);
      }
      await ticked;
    }
    return seen;
  }

  it('P1 looks at a pool 15 minutes after it was last heard of, one at a time', async () => {
    const [a] = [bed.pool('a'), bed.pool('b')];
    bed.pass(minute);
    // A task that worked with it has told that it is there.
    bed.state.pools.update(a.id, { checkedAt: bed.now() });
    expect(await watch(20, () => true)).toEqual(['b@14', 'a@15']);
    expect(events()).toEqual([]);
    const slow = createPoolWatch(bed.context, bed.desk);
    for (const { id } of bed.state.pools.where([])) bed.state.pools.update(id, { checkedAt: 0 });
    const first = slow.tick(bed.pass(1));
    await slow.tick(bed.pass(minute));
    expect(probes()).toHaveLength(1);
    bed.finish(probes()[0]?.id ?? '');
    await first;
  });

  it('P1 tells once that a pool is offline and that it is back, and asks it every minute meanwhile', async () => {
    const pool = bed.pool('p');
    expect(await watch(18, () => false)).toEqual(['p@15', 'p@16', 'p@17', 'p@18']);
    expect(events()).toEqual([['POOL_OFFLINE', expect.stringContaining('the marker of pool p is gone'), 1]]);
    // The task that found it gone stays in the list, the others do not.
    expect(bed.state.tasks.where([])).toMatchObject([{ state: 'failed', poolId: pool.id }]);
    await watch(2, () => true);
    expect(
      events()
        .map(([type]) => type)
        .sort(),
    ).toEqual(['POOL_OFFLINE', 'POOL_ONLINE']);
    expect(bed.state.pools.find('p')).toMatchObject({ state: 'online', stateDetail: '' });
  });

  it('P1 tells what a task of somebody else found, and a right that is gone', async () => {
    const pool = bed.pool('p');
    const poolWatch = createPoolWatch(bed.context, bed.desk);
    bed.state.pools.update(pool.id, { state: 'offline', stateDetail: 'away', checkedAt: bed.now() });
    await poolWatch.tick(bed.pass(1000));
    expect(events()).toEqual([['POOL_OFFLINE', 'the pool is offline: away', 1]]);
    const ticked = poolWatch.tick(bed.pass(minute));
    bed.finish(probes()[0]?.id ?? '', { probe: { steps: [{ right: 'delete', ok: false }] } });
    await ticked;
    expect(events()).toContainEqual(['POOL_NO_RIGHT', 'the credentials may no longer delete', 1]);
  });

  it('P1 goes on when the clock was set back, when a probe dies, and while the agent stops', async () => {
    const pool = bed.pool('p', undefined, { checkedAt: bed.now() + 1000 * minute });
    const died = failure('TASK_DIED', { detail: 'x' }).toProblem();
    const poolWatch = createPoolWatch(bed.context, bed.desk);
    const ticked = poolWatch.tick(bed.now());
    bed.fail(probes()[0]?.id ?? '', died);
    await ticked;
    expect(bed.state.pools.get(pool.id)?.state).toBe('online');
    bed.state.pools.update(pool.id, { checkedAt: bed.now() - 20 * minute });
    await poolWatch.tick(bed.pass(minute / 4));
    expect(probes()).toEqual([]);
    const stopping = {
      ...bed.desk,
      submit: () => {
        throw failure('AGENT_STOPPING');
      },
    };
    await createPoolWatch(bed.context, stopping).tick(bed.pass(20 * minute));
    await settled();
  });
});
