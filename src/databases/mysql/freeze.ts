// MySQL and MariaDB: look, refuse early, lock with limits at both ends, prove, let go.
import { fail } from '../../base/errors.ts';
import { systemClock } from '../../base/system-clock.ts';
import type { DatabaseFreezer } from '../../ports/database.ts';
import type { FreezeFacts, FreezeLimit, Quiescer } from '../../ports/quiescer.ts';
import { explain } from './explain.ts';
import { breach, letGo, limitAtServer, markHolder, openPair, type Pair } from './hold.ts';
import { type LockLimit, takeLocks } from './locks.ts';
import { quietMoment, refuseBusy } from './look.ts';
import { chooseMethod, hasInstanceLock, lookRights, type Method, nonTransactionalTables } from './method.ts';
import { positionFacts, syncWarning } from './position.ts';
import { isPresent } from './present.ts';
import { settleRedoLog } from './redo-log.ts';
import { label, needRights, readServer, type Server } from './server.ts';
import type { Ask, Session } from './session.ts';
import { type MysqlSettings, mysqlSettings, readSettings } from './settings.ts';

export const mysqlFreezer: DatabaseFreezer = {
  name: 'mysql',
  settings: mysqlSettings,
  present: isPresent,
  quiescer: (settings, tell) => mysqlQuiescer(readSettings(settings), tell),
};

/** Milliseconds for what answers at once or never: connecting, reading variables. */
const patience = 5000;

interface Hold {
  readonly pair: Pair;
  readonly deadline: number;
  /** What undoes the locks; none before the first is asked for. */
  release: readonly string[];
}

function mysqlQuiescer(settings: MysqlSettings, tell: (line: string) => void): Quiescer {
  let hold: Hold | undefined;

  const freeze = async (limit: FreezeLimit): Promise<FreezeFacts> => {
    if (hold) fail('FREEZE_FAILED', { name: 'mysql', detail: 'this freeze holds it already' });
    const left = () => timeLeft(limit);
    const asking =
      (session: Session): Ask =>
      (sql) =>
        session.query(sql, Math.min(patience, left()));
    try {
      const pair = await openPair(settings, Math.min(patience, left()), wholeSeconds(left()));
      const mine: Hold = { pair, deadline: limit.deadline, release: [] };
      hold = mine;
      const ask = asking(pair.watcher);
      const { server, method } = await look(ask, pair, settings);
      await markHolder(pair, label(server));
      mine.release = method.release;
      await takeLocks(pair, method, label(server), lockLimit(settings, limit));
      if (method.commitsWait) await settleRedoLog(asking(pair.holder), server, settings.longestWait);
      else await refuseNewTables(ask, server);
      const facts = await positionFacts(asking(pair.holder), server, method);
      await limitAtServer(pair.holder, wholeSeconds(left()));
      tell(`mysql: ${label(server)} is frozen with ${method.name} by connection ${pair.holder.id}`);
      const warning = syncWarning(server);
      if (warning) tell(`mysql: ${warning}`);
      return { server: label(server), method: method.name, connection: String(pair.holder.id), ...facts };
    } catch (error) {
      // What cannot be undone now stays known: the thaw that follows tries again.
      await thaw().catch((trouble: Error) => tell(`mysql: ${trouble.message}`));
      throw explain(error, settings);
    }
  };

  const held = async (): Promise<void> => {
    const lost = (detail: string) => fail('FREEZE_LOST', { name: 'mysql', detail });
    if (!hold) return lost('it is not frozen');
    const reason = await breach(hold.pair);
    if (reason) lost(reason);
    if (systemClock.boottime() >= hold.deadline) lost('its limit has passed');
  };

  const thaw = async (): Promise<FreezeFacts> => {
    if (!hold) return {};
    const { pair, release } = hold;
    const how = await letGo(pair, settings, release);
    if (how === 'gone') tell(`mysql: connection ${pair.holder.id}, which held the freeze, had ended before the thaw`);
    if (how === 'killed') tell(`mysql: connection ${pair.holder.id} was killed so that the server lets go`);
    hold = undefined;
    return {};
  };

  return { name: 'mysql', freeze, held, thaw };
}

/** Everything that can be a reason not to begin, in the order in which an operator would mend it. */
async function look(ask: Ask, pair: Pair, settings: MysqlSettings): Promise<{ server: Server; method: Method }> {
  const server = await readServer(ask);
  if (server.cluster) fail('DATABASE_CLUSTER', { database: label(server), detail: server.cluster });
  needRights(server, settings.user, lookRights(server));
  const method = chooseMethod(server, await countNonTransactional(ask, server));
  needRights(server, settings.user, method.rights);
  const own = [pair.holder.id, pair.watcher.id];
  await refuseBusy(ask, label(server), own, settings.longestQuery);
  if (method.waitsForAll) await quietMoment(ask, label(server), own, settings.longestWait);
  return { server, method };
}

async function countNonTransactional(ask: Ask, server: Server): Promise<number> {
  return hasInstanceLock(server) ? Number((await ask(nonTransactionalTables))[0]?.['n']) : 0;
}

/** Between the look and the instance lock somebody may have made a table that it does not protect. Throws DATABASE_BUSY. */
async function refuseNewTables(ask: Ask, server: Server): Promise<void> {
  if ((await countNonTransactional(ask, server)) === 0) return;
  fail('DATABASE_BUSY', { database: label(server), detail: 'a table of an engine without transactions was made just now' });
}

const lockLimit = (settings: MysqlSettings, limit: FreezeLimit): LockLimit => ({
  seconds: settings.longestWait,
  milliseconds: Math.min(settings.longestWait * 1000 + 1000, timeLeft(limit)),
  signal: limit.signal,
});

/** Milliseconds until the deadline. Throws FREEZE_FAILED when there are none or the freeze was called off. */
function timeLeft(limit: FreezeLimit): number {
  const left = limit.deadline - systemClock.boottime();
  if (limit.signal.aborted) fail('FREEZE_FAILED', { name: 'mysql', detail: 'it was called off' });
  if (left <= 0) fail('FREEZE_FAILED', { name: 'mysql', detail: 'its limit passed before it was frozen' });
  return left;
}

const wholeSeconds = (milliseconds: number): number => Math.ceil(milliseconds / 1000);
