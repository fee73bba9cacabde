// A scheduled plan pauses by itself while its source is off, and goes on when it is back (requirement B7).

import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../base/errors.ts';
import type { Plan, SourceSettings } from '../model/plan.ts';
import type { AgentContext } from './context.ts';
import { ruleOf } from './plan-view.ts';

export interface SourceWatch {
  /** Looks at the sources of scheduled plans. Never rejects. */
  tick(): Promise<void>;
}

/** A server that is being restarted is not off: so many looks in a row must find it so. */
const looks = 2;
const patience = 3000;
const atOnce = 8;

export function createSourceWatch(context: AgentContext): SourceWatch {
  const { state, clock, events } = context;
  const failures = new Map<string, number>();

  function found(plan: Plan, trouble: Trouble): void {
    const now = state.plans.get(plan.id);
    if (!now || trouble === undefined) return;
    const subject = { kind: 'plan', id: plan.id, name: plan.name } as const;
    const count = trouble === null ? 0 : (failures.get(plan.id) ?? 0) + 1;
    failures.set(plan.id, count);
    if (trouble !== null && count >= looks && now.pause === null) {
      const reason = `its source is off: ${trouble}`;
      state.plans.update(plan.id, { pause: { by: 'source', since: clock.now(), reason } });
      events.note({ subject, type: 'PLAN_PAUSED', level: 'minor', content: reason });
    }
    if (trouble === null && now.pause?.by === 'source') {
      state.plans.update(plan.id, { pause: null });
      events.note({ subject, type: 'PLAN_RESUMED', level: 'info', content: 'its source is back' });
    }
  }

  return {
    async tick() {
      const plans = state.plans
        .where([])
        .filter((plan) => plan.associated && plan.pause?.by !== 'operator' && (plan.pause || ruleOf(state, plan)?.enabled));
      const [local, others] = [plans.filter(({ source }) => 'paths' in source), plans.filter(({ source }) => !('paths' in source))];
      // One after another: see `asking`.
      for (const plan of local) found(plan, await troubleOf(plan.source));
      for (let i = 0; i < others.length; i += atOnce)
        await Promise.all(others.slice(i, i + atOnce).map(async (plan) => found(plan, await troubleOf(plan.source))));
    },
  };
}

/** Why a source is off; null if it is on, or if this process may not know; undefined where nobody answered: then all stays as it is. */
type Trouble = string | null | undefined;

async function troubleOf(source: SourceSettings): Promise<Trouble> {
  if (source.kind === 'disk' || source.kind === 'files') return missing(source.paths);
  if (source.kind === 'mysql' || source.kind === 'postgres' || source.kind === 'redis') return closed(source);
  return null;
}

/** All of them: a plan that still has something to read runs, and warns of what is missing. */
async function missing(paths: readonly string[]): Promise<Trouble> {
  for (const path of paths) {
    const gone = await isGone(path);
    if (!gone) return gone === undefined ? undefined : null;
  }
  return `${paths.join(', ')} ${paths.length === 1 ? 'does' : 'do'} not exist`;
}

/** A path on a server that is gone may not answer for hours; no more than one such question holds a thread of this process. */
let asking: Promise<boolean> | undefined;

async function isGone(path: string): Promise<boolean | undefined> {
  if (asking) return undefined;
  asking = stat(path)
    .then(() => false, isAbsent)
    .finally(() => {
      asking = undefined;
    });
  return Promise.race([asking, sleep(patience, undefined, { ref: false })]);
}

const isAbsent = (error: unknown): boolean => errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';

type ServerSource = Extract<SourceSettings, { readonly kind: 'mysql' | 'postgres' | 'redis' }>;

/** Whether nobody listens where the server should. What may not be asked (EACCES) counts as on. */
async function closed({ kind, server }: ServerSource): Promise<string | null> {
  const doors = doorsOf(kind, server);
  const answers = await Promise.all(doors.map(knock));
  return answers.includes(null) ? null : (answers[0] ?? null);
}

const usual = {
  mysql: { sockets: ['/run/mysqld/mysqld.sock', '/var/lib/mysql/mysql.sock', '/tmp/mysql.sock'], port: 3306 },
  postgres: { sockets: ['/run/postgresql', '/tmp'], port: 5432 },
  redis: { sockets: [], port: 6379 },
} as const;

type Door = { readonly path: string } | { readonly host: string; readonly port: number };

function doorsOf(kind: ServerSource['kind'], { socket, host, port = usual[kind].port }: ServerSource['server']): readonly Door[] {
  const path = (place: string) => ({ path: kind === 'postgres' ? `${place}/.s.PGSQL.${port}` : place });
  if (socket !== undefined) return [path(socket)];
  if (host !== undefined) return [{ host, port }];
  return [...usual[kind].sockets.map(path), { host: '127.0.0.1', port }];
}

function knock(door: Door): Promise<string | null> {
  return new Promise((resolve) => {
    const name = 'path' in door ? door.path : `${door.host}:${door.port}`;
    const line = connect({ ...door, timeout: patience });
    const end = (trouble: string | null) => {
      line.destroy();
      resolve(trouble);
    };
    line.on('connect', () => end(null));
    line.on('timeout', () => end(`${name} does not answer`));
    line.on('error', (error) => {
      const code = errnoOf(error);
      end(code === 'EACCES' || code === 'EPERM' ? null : `nobody answers at ${name} (${code ?? 'no answer'})`);
    });
  });
}
