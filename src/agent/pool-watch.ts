// Looks at every pool now and then, so that it is known to be there before a backup needs it (guide 34.8: online, offline).
import { StillpointError } from '../base/errors.ts';
import type { PoolRow } from '../state/pools.ts';
import { poolAccess } from './access.ts';
import type { AgentContext } from './context.ts';
import type { TaskDesk } from './task-desk.ts';

export interface PoolWatch {
  /** Tells what changed since the last tick, and probes the pool that was not heard of for longest, if it is time. Never rejects. */
  tick(now: number): Promise<void>;
}

const minute = 60 * 1000;
/** How long what was heard of a pool holds; every task that works on it tells something, too. */
const holds = { online: 15 * minute, offline: minute } as const;

export function createPoolWatch(context: AgentContext, desk: TaskDesk): PoolWatch {
  const { state, events, log } = context;
  const known = new Map<string, PoolRow['state']>(state.pools.where([]).map((pool) => [pool.id, pool.state]));
  /** A probe that failed for a reason of its own tells nothing of the pool; it is not tried again at every tick. */
  const triedAt = new Map<string, number>();
  let probing = false;

  function tell(): void {
    for (const { id, name, state: is, stateDetail } of state.pools.where([])) {
      const was = known.get(id);
      known.set(id, is);
      if (was === undefined || was === is) continue;
      const subject = { kind: 'pool', id, name } as const;
      if (is === 'offline') events.note({ subject, type: 'POOL_OFFLINE', level: 'major', content: `the pool is offline: ${stateDetail}` });
      else events.note({ subject, type: 'POOL_ONLINE', level: 'info', content: 'the pool is back' });
    }
  }

  function mostDue(now: number): PoolRow | undefined {
    const heard = (pool: PoolRow) => Math.max(pool.checkedAt, triedAt.get(pool.id) ?? 0);
    // A clock that was set back must not silence the watch.
    const isDue = (pool: PoolRow) => heard(pool) > now || now - heard(pool) >= holds[pool.state];
    return state.pools
      .where([])
      .filter(isDue)
      .sort((a, b) => heard(a) - heard(b))[0];
  }

  async function probe(pool: PoolRow): Promise<void> {
    const row = desk.submit({
      type: 'probe',
      name: pool.name,
      request: { type: 'attended' },
      spec: () => ({ type: 'probe', pool: poolAccess(context, pool), create: false, bind: false }),
      poolId: pool.id,
      quiet: true,
    });
    const { task, result } = await desk.ended(row.id);
    const missing = (result?.probe?.steps ?? []).filter(({ ok }) => !ok).map(({ right }) => right);
    if (missing.length > 0) {
      const subject = { kind: 'pool', id: pool.id, name: pool.name } as const;
      events.note({ subject, type: 'POOL_NO_RIGHT', level: 'major', content: `the credentials may no longer ${missing.join(', ')}` });
    }
    // A failure that only says again what is known would bury what people look for in the list of tasks, too.
    const same = state.pools.get(pool.id)?.state === pool.state;
    if (same && task.state !== 'died') state.tasks.remove(row.id);
  }

  return {
    async tick(now) {
      tell();
      if (probing) return;
      const pool = mostDue(now);
      if (!pool) return;
      probing = true;
      triedAt.set(pool.id, now);
      try {
        await probe(pool);
        tell();
      } catch (error) {
        const stopping = error instanceof StillpointError && error.code === 'AGENT_STOPPING';
        if (!stopping) log.warn({ err: error, pool: pool.name }, 'a pool could not be probed');
      } finally {
        probing = false;
      }
    },
  };
}
