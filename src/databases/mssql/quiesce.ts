// SQL Server 2022 and later with the writes of all user databases suspended.
import type { Clock } from '../../base/clock.ts';
import { fail, failure } from '../../base/errors.ts';
import { systemClock } from '../../base/system-clock.ts';
import type { FreezeFacts, Quiescer } from '../../ports/quiescer.ts';
import { type FreezeWindow, freezeWindow } from '../bounds.ts';
import { detailOf, openBoth, proofRows } from '../sessions.ts';
import { orUndone, sharedThaw } from '../thaw.ts';
import { mssqlFailure } from './failures.ts';
import { lookAtServer, type Server } from './look.ts';
import { release } from './release.ts';
import { type Connect, connectMssql } from './session.ts';
import type { Access } from './settings.ts';
import { on, self, status } from './statements.ts';
import { metadataFile, rowsOf, type Suspension } from './suspension.ts';

export interface Means {
  readonly clock?: Clock;
  readonly connect?: Connect;
  /** Of the freeze: DatabaseFreezer.quiescer. */
  readonly id?: string;
}

/** Times in ms. */
const patience = { ask: 1500, poll: 20 };
/** How far two clocks may be apart (ms). */
const tolerance = 250;

export function mssqlQuiescer(access: Access, tell: (line: string) => void, means: Means = {}): Quiescer {
  const name = 'mssql';
  const { clock = systemClock, connect = connectMssql, id = 'by-hand' } = means;
  let suspension: Suspension | undefined;

  const thaw = sharedThaw(async (): Promise<FreezeFacts> => {
    if (!suspension) return {};
    const facts = await release(name, access, suspension, connect, tell);
    suspension = undefined;
    return facts;
  });

  return {
    name,
    thaw,

    async freeze(limit) {
      if (suspension) fail('FREEZE_FAILED', { name, detail: 'it was not thawed since the last freeze' });
      const window = freezeWindow(name, limit, clock);
      const sessions = await open(access, connect, window);
      const mine: Suspension = {
        ...sessions,
        deadline: limit.deadline,
        metadata: metadataFile(access.metadata, id, new Date(clock.now())),
      };
      suspension = mine;
      const begin = async () => {
        const server = await window.run(() => lookAtServer(name, mine.watch, access));
        mine.server = server;
        await suspend(mine, server, window, clock);
        tell(`SQL Server ${server.facts['version']}: session ${mine.session} has suspended ${server.ids.size} databases`);
        return server.facts;
      };
      return orUndone(begin, thaw, tell, (error) => mssqlFailure(error, access, 'suspend its databases'));
    },

    async held() {
      const lose = (detail: string) => failure('FREEZE_LOST', { name, detail });
      if (!suspension?.proof) throw lose('nothing was suspended');
      const { hold, watch, session, proof, server, deadline } = suspension;
      const ended = hold.lost() ?? suspension.ended;
      if (ended) throw lose(`session ${session}, which suspended it, has ended: ${ended}`);
      const before = clock.boottime();
      const rows = await proofRows(name, watch, watch.query(status), patience.ask);
      const ours = rowsOf(rows, session);
      const missing = [...server!.ids].find((id) => !ours.some((row) => Number(row['id']) === id && Number(row['frozen']) === 1));
      if (missing !== undefined) throw lose(`the writes of database ${missing} are no longer suspended`);
      const fresh = ours.find((row) => Number(row['ms']) + tolerance < (proof.ms.get(Number(row['id'])) ?? 0) + before - proof.at);
      if (fresh) throw lose(`the writes of ${fresh['name']} were let go and suspended again`);
      if (clock.boottime() > deadline) throw lose('its limit has passed');
    },
  };
}

async function open(access: Access, connect: Connect, window: FreezeWindow): Promise<Pick<Suspension, 'hold' | 'watch' | 'session'>> {
  const explain = (error: unknown) => mssqlFailure(error, access, 'open a session');
  const { hold, watch, row } = await openBoth(window, (ms, signal) => connect(access, ms, signal), self, explain);
  return { hold, watch, session: Number(row['session']) };
}

/** Starts the batch and asks until the server says that every database holds still. */
async function suspend(suspension: Suspension, server: Server, window: FreezeWindow, clock: Clock): Promise<void> {
  const { hold, watch, session } = suspension;
  let failed: unknown;
  suspension.batch = hold.query(on(window.left())).then(
    () => {
      suspension.ended = 'the server let go at the limit';
    },
    (error: unknown) => {
      failed = error;
      suspension.ended = detailOf(error);
    },
  );
  for (;;) {
    const rows = rowsOf(await window.run(() => watch.query(status)), session);
    if (failed) throw failed;
    const frozen = new Set(rows.filter((row) => Number(row['frozen']) === 1).map((row) => Number(row['id'])));
    if (suspension.ended) throw new Error(suspension.ended);
    if ([...server.ids].every((id) => frozen.has(id))) {
      suspension.proof = { at: clock.boottime(), ms: new Map(rows.map((row) => [Number(row['id']), Number(row['ms'])])) };
      return;
    }
    await window.run(() => new Promise((resolve) => setTimeout(resolve, patience.poll)));
  }
}
