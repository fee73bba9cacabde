// MySQL and MariaDB: look, refuse early, lock with limits at both ends, prove, let go.
import { fail } from '../../base/errors.ts';
import { systemClock } from '../../base/system-clock.ts';
import type { DatabaseFreezer } from '../../ports/database.ts';
import type { FreezeFacts, FreezeLimit, Quiescer } from '../../ports/quiescer.ts';
import { type FreezeWindow, freezeWindow } from '../bounds.ts';
import { filesFacts } from '../places.ts';
import { orUndone, sharedThaw } from '../thaw.ts';
import { explain } from './explain.ts';
import { filesOf } from './files.ts';
import { breach, letGo, limitAtServer, markHolder, openPair, type Pair } from './hold.ts';
import { takeLocks } from './locks.ts';
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

/** Milliseconds for what answers at once or never: reading variables. */
const patience = 5000;

interface Hold {
  readonly pair: Pair;
  readonly deadline: number;
  /** What undoes the locks; none before the first is asked for. */
  release: readonly string[];
}

function mysqlQuiescer(settings: MysqlSettings, tell: (line: string) => void): Quiescer {
  let hold: Hold | undefined;

  const thaw = sharedThaw(async (): Promise<FreezeFacts> => {
    if (!hold) return {};
    const { pair, release } = hold;
    const how = await letGo(pair, settings, release);
    if (how === 'gone') tell(`mysql: connection ${pair.holder.id}, which held the freeze, had ended before the thaw`);
    if (how === 'killed') tell(`mysql: connection ${pair.holder.id} was killed so that the server lets go`);
    hold = undefined;
    return {};
  });

  const freeze = async (limit: FreezeLimit): Promise<FreezeFacts> => {
    if (hold) fail('FREEZE_FAILED', { name: 'mysql', detail: 'this freeze holds it already' });
    const window = freezeWindow('mysql', limit, systemClock);
    const asking =
      (session: Session): Ask =>
      (sql) =>
        window.run(() => session.query(sql, patience));
    const begin = async () => {
      const pair = await openPair(settings, window);
      const mine: Hold = { pair, deadline: limit.deadline, release: [] };
      hold = mine;
      const ask = asking(pair.watcher);
      const { server, method, files } = await look(ask, window, pair, settings);
      await markHolder(pair, label(server));
      mine.release = method.release;
      await takeLocks(pair, method, label(server), settings.longestWait, window);
      if (method.commitsWait) await settleRedoLog(asking(pair.holder), server, settings.longestWait);
      else await refuseNewTables(ask, server);
      const facts = await positionFacts(asking(pair.holder), server, method);
      await limitAtServer(pair.holder, window.wholeSeconds());
      tell(`mysql: ${label(server)} is frozen with ${method.name} by connection ${pair.holder.id}`);
      const warning = syncWarning(server);
      if (warning) tell(`mysql: ${warning}`);
      return { server: label(server), method: method.name, connection: String(pair.holder.id), ...facts, ...files };
    };
    return orUndone(begin, thaw, tell, (error) => explain(error, settings));
  };

  const held = async (): Promise<void> => {
    const lost = (detail: string) => fail('FREEZE_LOST', { name: 'mysql', detail });
    if (!hold) return lost('it is not frozen');
    const reason = await breach(hold.pair);
    if (reason) lost(reason);
    if (systemClock.boottime() >= hold.deadline) lost('its limit has passed');
  };

  return { name: 'mysql', freeze, held, thaw };
}

interface Looked {
  readonly server: Server;
  readonly method: Method;
  readonly files: FreezeFacts;
}

/** Everything that can be a reason not to begin, in the order in which an operator would mend it. */
async function look(ask: Ask, window: FreezeWindow, pair: Pair, settings: MysqlSettings): Promise<Looked> {
  const server = await readServer(ask);
  if (server.cluster) fail('DATABASE_CLUSTER', { database: label(server), detail: server.cluster });
  needRights(server, settings.user, lookRights(server));
  const method = chooseMethod(server, await countNonTransactional(ask, server));
  needRights(server, settings.user, method.rights);
  const own = [pair.holder.id, pair.watcher.id];
  const host = 'host' in settings.address ? settings.address.host : '';
  const files = await window.run(async () => filesFacts('mysql', host, await filesOf(ask, server)));
  await refuseBusy(ask, label(server), own, settings.longestQuery);
  if (method.waitsForAll) await quietMoment(ask, label(server), own, settings.longestWait);
  return { server, method, files };
}

async function countNonTransactional(ask: Ask, server: Server): Promise<number> {
  return hasInstanceLock(server) ? Number((await ask(nonTransactionalTables))[0]?.['n']) : 0;
}

/** Between the look and the instance lock somebody may have made a table that it does not protect. Throws DATABASE_BUSY. */
async function refuseNewTables(ask: Ask, server: Server): Promise<void> {
  if ((await countNonTransactional(ask, server)) === 0) return;
  fail('DATABASE_BUSY', { database: label(server), detail: 'a table of an engine without transactions was made just now' });
}
