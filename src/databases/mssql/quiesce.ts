// SQL Server 2022 and later with the writes of all user databases suspended.
import type { Clock } from '../../base/clock.ts';
import { fail, failure, isCode } from '../../base/errors.ts';
import { systemClock } from '../../base/system-clock.ts';
import type { FreezeFacts, Quiescer } from '../../ports/quiescer.ts';
import { type FreezeWindow, freezeWindow, within } from '../bounds.ts';
import { detailOf, mssqlFailure } from './failures.ts';
import { lookAtServer, type Server } from './look.ts';
import { release } from './release.ts';
import { type Connect, connectMssql } from './session.ts';
import type { Access } from './settings.ts';
import { on, self, status } from './statements.ts';
import { rowsOf, type Suspension } from './suspension.ts';

export interface Means {
  readonly clock?: Clock;
  readonly connect?: Connect;
}

/** Times in ms. */
const patience = { connect: 5000, ask: 1500, poll: 20 };
/** How far two clocks may be apart (ms). */
const tolerance = 250;

export function mssqlQuiescer(access: Access, tell: (line: string) => void, means: Means = {}): Quiescer {
  const name = 'mssql';
  const { clock = systemClock, connect = connectMssql } = means;
  let suspension: Suspension | undefined;
  let thawing: Promise<FreezeFacts> | undefined;

  const thawOnce = async (): Promise<FreezeFacts> => {
    if (!suspension) return {};
    const facts = await release(name, access, suspension, connect, tell);
    suspension = undefined;
    return facts;
  };

  // A thaw that is asked for while a freeze undoes itself is the same one.
  const thaw = (): Promise<FreezeFacts> => {
    thawing ??= thawOnce().finally(() => {
      thawing = undefined;
    });
    return thawing;
  };

  return {
    name,
    thaw,

    async freeze(limit) {
      if (suspension) fail('FREEZE_FAILED', { name, detail: 'it was not thawed since the last freeze' });
      const window = freezeWindow(name, limit, clock);
      const mine = await open(access, connect, window, limit.deadline);
      suspension = mine;
      try {
        const server = await window.run(() => lookAtServer(name, mine.watch));
        mine.server = server;
        await suspend(mine, server, window, clock);
        tell(`SQL Server ${server.facts['version']}: session ${mine.session} has suspended ${server.ids.size} databases`);
        return server.facts;
      } catch (error) {
        await thaw().catch((failed: unknown) => tell(detailOf(failed)));
        throw mssqlFailure(error, access, 'suspend its databases');
      }
    },

    async held() {
      const lose = (detail: string, cause?: unknown) => failure('FREEZE_LOST', { name, detail }, { cause });
      if (!suspension?.proof) throw lose('nothing was suspended');
      const { hold, watch, session, proof, server, deadline } = suspension;
      const ended = hold.lost() ?? suspension.ended;
      if (ended) throw lose(`session ${session}, which suspended it, has ended: ${ended}`);
      const before = clock.boottime();
      const rows = await within(watch.query(status), patience.ask, () => lose('the server does not answer')).catch((error: unknown) => {
        throw isCode(error, 'FREEZE_LOST') ? error : lose(`the server cannot be asked: ${watch.lost() ?? detailOf(error)}`, error);
      });
      const ours = rowsOf(rows, session);
      const missing = [...server!.ids].find((id) => !ours.some((row) => Number(row['id']) === id && Number(row['frozen']) === 1));
      if (missing !== undefined) throw lose(`the writes of database ${missing} are no longer suspended`);
      const fresh = ours.find((row) => Number(row['ms']) + tolerance < (proof.ms.get(Number(row['id'])) ?? 0) + before - proof.at);
      if (fresh) throw lose(`the writes of ${fresh['name']} were let go and suspended again`);
      if (clock.boottime() > deadline) throw lose('its limit has passed');
    },
  };
}

async function open(access: Access, connect: Connect, window: FreezeWindow, deadline: number): Promise<Suspension> {
  const opened = async () => {
    const opening = connect(access, Math.min(patience.connect, window.left()), window.signal);
    return window
      .run(() => opening)
      .catch((error: unknown) => {
        opening.then(
          (late) => late.close(),
          () => undefined,
        );
        throw mssqlFailure(error, access, 'open a session');
      });
  };
  const hold = await opened();
  try {
    const [row] = await window.run(() => hold.query(self));
    return { hold, watch: await opened(), session: Number(row?.['session']), deadline };
  } catch (error) {
    hold.close();
    throw mssqlFailure(error, access, 'open a session');
  }
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
