import { isAbsolute, resolve } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { Credentials, Place, PoolAccess } from '../../model/pool.ts';
import type { ProbeReport } from '../../ports/backend.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { PlaceInput } from '../../rpc/schemas.ts';
import type { PoolRow } from '../../state/pools.ts';
import { newId } from '../../state/state.ts';
import { equals } from '../../state/table.ts';
import { poolAccess, sealCredentials, throughGateway } from '../access.ts';
import { bucketPlace } from '../bucket-place.ts';
import type { AgentContext } from '../context.ts';
import { bandwidthOf } from '../gateway.ts';
import { locationOf } from '../locations.ts';
import { checkDescription, checkName, madeUpName } from '../names.ts';
import { pageOptions } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';
import { poolView } from '../views.ts';

type Methods = Pick<Handlers, 'poolBind' | 'poolList' | 'poolShow' | 'poolProbe' | 'poolUpdate' | 'poolUnbind'>;

export interface NewPool {
  readonly name?: string;
  readonly remark?: string;
  readonly place: Place;
  readonly credentials?: Credentials;
  readonly bandwidth?: number;
  readonly create: boolean;
  readonly objectLock?: boolean;
}

export interface PoolBinder {
  /** Checks every right, then keeps the pool. Throws POOL_NO_RIGHT, POOL_NOT_FOUND, ALREADY_EXISTS … */
  bind(input: NewPool): Promise<{ readonly pool: PoolRow; readonly probe: ProbeReport }>;
}

export function createPoolBinder(context: AgentContext, desk: TaskDesk): PoolBinder {
  const { state, clock } = context;
  return {
    async bind(input) {
      const { place, credentials, bandwidth = 0 } = input;
      const name = checkName(input.name ?? madeUpName('pool'));
      const remark = checkDescription(input.remark ?? '');
      refuseKnown(context, place);
      if (state.pools.where([equals('name', name)]).length > 0) fail('ALREADY_EXISTS', { what: 'pool', id: name });
      const ownId = newId();
      if (input.objectLock && place.type !== 's3')
        fail('POOL_NO_OBJECT_LOCK', { location: locationOf(place), detail: 'it is a directory, not a bucket' });
      const { objectLock } = input;
      const access = throughGateway(context, {
        id: ownId,
        place,
        bandwidth,
        ...(credentials && { credentials }),
        ...(objectLock && { objectLock }),
      });
      const probe = await runProbe(desk, access, { create: input.create, bind: true, name });
      const id = probe.poolId ?? ownId;
      if (state.pools.get(id)) fail('ALREADY_EXISTS', { what: 'pool', id });
      const now = clock.now();
      const sealed = sealCredentials(context, id, credentials);
      const online = { state: 'online', stateDetail: '', checkedAt: now } as const;
      state.pools.insert({ id, name, remark, place, credentials: sealed, bandwidth, ...online, createdAt: now, updatedAt: now });
      return { pool: state.pools.find(id), probe };
    },
  };
}

export function poolMethods(context: AgentContext, desk: TaskDesk, binder: PoolBinder): Methods {
  const { state, clock } = context;
  return {
    async poolBind({ body }) {
      const { credentials, place, create, ...rest } = body;
      const noBucket = place.type === 's3' && place.bucket === undefined;
      const { pool, probe } = await binder.bind({
        ...rest,
        place: completePlace(place),
        create: create ?? noBucket,
        ...(credentials && { credentials }),
      });
      return { pool: poolView(state, pool), probe };
    },
    poolList({ query }) {
      const type = query.type;
      const page = state.pools.page(
        pageOptions(query, 'created_at', [
          query.state === undefined ? undefined : equals('state', query.state),
          type === undefined ? undefined : { sql: "json_extract(place, '$.type') = :place_type", values: { place_type: type } },
        ]),
      );
      return { ...page, items: page.items.map((row) => poolView(state, row)) };
    },
    poolShow: ({ params }) => poolView(state, state.pools.find(params.id)),
    async poolProbe({ params }) {
      const pool = state.pools.find(params.id);
      const probe = await runProbe(desk, poolAccess(context, pool), { create: false, bind: false, name: pool.name, poolId: pool.id });
      return { pool: poolView(state, state.pools.find(pool.id)), probe };
    },
    async poolUpdate({ params, body }) {
      const pool = state.pools.find(params.id);
      const { name, remark, credentials, bandwidth, caPem } = body;
      if (name !== undefined && name !== pool.name && state.pools.where([equals('name', checkName(name))]).length > 0)
        fail('ALREADY_EXISTS', { what: 'pool', id: name });
      if (remark !== undefined) checkDescription(remark);
      const place = caPem === undefined ? pool.place : trusting(pool.place, caPem);
      // What opens the door must work before it replaces what did so far.
      const renewed = credentials !== undefined || caPem !== undefined;
      if (renewed) {
        const kept = credentials ? { ...poolAccess(context, { ...pool, credentials: null }), credentials } : poolAccess(context, pool);
        await runProbe(desk, { ...kept, place }, { create: false, bind: false, name: pool.name });
      }
      state.pools.update(pool.id, {
        ...(name !== undefined && { name }),
        ...(remark !== undefined && { remark }),
        ...(bandwidth !== undefined && { bandwidth }),
        ...(caPem !== undefined && { place }),
        ...(credentials && { credentials: sealCredentials(context, pool.id, credentials) }),
        ...(renewed && { state: 'online', stateDetail: '' }),
        updatedAt: clock.now(),
      });
      if (bandwidth !== undefined) desk.setBandwidth(pool.id, bandwidthOf(state, { bandwidth }));
      return poolView(state, state.pools.find(pool.id));
    },
    poolUnbind({ params }) {
      const pool = state.pools.find(params.id);
      const users = state.vaults.where([equals('pool_id', pool.id)]).map((vault) => `vault ${vault.name}`);
      if (users.length > 0) fail('IN_USE', { what: 'pool', id: pool.name, users: users.join(', ') });
      state.pools.remove(pool.id);
      return { id: pool.id };
    },
  };
}

interface ProbeOptions {
  readonly create: boolean;
  readonly bind: boolean;
  readonly name: string;
  /** Of a bound pool, whose state the probe tells. */
  readonly poolId?: string;
}

/** Throws POOL_NO_RIGHT with every right that is missing. */
async function runProbe(desk: TaskDesk, pool: PoolAccess, { create, bind, name, poolId }: ProbeOptions): Promise<ProbeReport> {
  const result = await desk.answer({
    type: 'probe',
    name,
    request: { type: 'attended' },
    spec: () => ({ type: 'probe', pool, create, bind }),
    ...(poolId && { poolId }),
  });
  const report = result.probe ?? { steps: [] };
  const missing = report.steps.filter((step) => !step.ok);
  if (missing.length > 0) fail('POOL_NO_RIGHT', { right: missing.map((step) => step.right).join(', '), location: locationOf(pool.place) });
  return report;
}

function completePlace(place: PlaceInput): Place {
  if (place.type === 'local') {
    if (!isAbsolute(place.path)) fail('USAGE', { detail: `place.path ${place.path} is not absolute` });
    return { type: 'local', path: resolve(place.path) };
  }
  return bucketPlace(place);
}

/** Throws USAGE for a directory, which shows no certificate. */
function trusting(place: Place, caPem: string): Place {
  if (place.type !== 's3') return fail('USAGE', { detail: 'only a bucket has certificates to trust' });
  return { ...place, caPem };
}

function refuseKnown({ state }: AgentContext, place: Place): void {
  const known = state.pools.where([]).find((pool) => locationOf(pool.place) === locationOf(place));
  if (known) fail('ALREADY_EXISTS', { what: 'pool', id: known.name });
}
