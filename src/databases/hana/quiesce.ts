// SAP HANA with a data snapshot: a frozen state inside the data area, from which it can be recovered, while the database runs on.
import type { Clock } from '../../base/clock.ts';
import { fail, failure } from '../../base/errors.ts';
import { systemClock } from '../../base/system-clock.ts';
import type { FreezeFacts, Quiescer } from '../../ports/quiescer.ts';
import { type FreezeWindow, freezeWindow, within } from '../bounds.ts';
import { detailOf, openBoth, proofRows } from '../sessions.ts';
import { orUndone, sharedThaw } from '../thaw.ts';
import { database, hanaFailure } from './failures.ts';
import { lookAtSystem } from './look.ts';
import { type Closing, closeLeftOvers, release } from './release.ts';
import { type Connect, connectHana } from './session.ts';
import type { Access } from './settings.ts';
import { type DataSnapshot, mark, preparedOf } from './snapshot.ts';
import { create, prepared, self, state } from './statements.ts';

export interface Means {
  readonly clock?: Clock;
  readonly connect?: Connect;
}

/** Times in ms. */
const patience = { ask: 1500, rescue: 4500, login: 4000 };

export function hanaQuiescer(access: Access, tell: (line: string) => void, means: Means = {}): Quiescer {
  const name = 'hana';
  const { clock = systemClock, connect = connectHana } = means;
  const closing: Closing = { name, access, connect, tell };
  let snapshot: DataSnapshot | undefined;
  let known = false;

  const thaw = sharedThaw(async (): Promise<FreezeFacts> => {
    // A snapshot outlives the process that made it: without a freeze of its own, a thaw is the one after a crash.
    if (!known) await rescue(closing);
    if (!snapshot) return {};
    const facts = await release(closing, snapshot);
    snapshot = undefined;
    return facts;
  });

  return {
    name,
    thaw,

    async freeze(limit) {
      if (snapshot) fail('FREEZE_FAILED', { name, detail: 'it was not thawed since the last freeze' });
      known = true;
      const window = freezeWindow(name, limit, clock);
      const now = new Date().toISOString();
      const sessions = await open(access, connect, window);
      const mine: DataSnapshot = { ...sessions, comment: `${mark}${now}`, deadline: limit.deadline, created: false };
      snapshot = mine;
      const begin = async () => {
        const facts = await window.run(() => lookAtSystem(name, mine.watch, access));
        const [other] = await window.run(() => closeLeftOvers(mine.watch, tell));
        if (other)
          fail('DATABASE_BUSY', { database, detail: `the data snapshot ${other.id} is prepared and not closed (${other.comment})` });
        const id = await prepare(mine, window);
        tell(`SAP HANA ${facts['sid']}: data snapshot ${id} is prepared`);
        return { ...facts, backupId: id, comment: mine.comment };
      };
      return orUndone(begin, thaw, tell, (error) => hanaFailure(error, access, 'create a data snapshot'));
    },

    async held() {
      const lose = (detail: string) => failure('FREEZE_LOST', { name, detail });
      if (!snapshot?.id) throw lose('no data snapshot was created');
      const { watch, id, deadline } = snapshot;
      const rows = await proofRows(name, watch, watch.query(state(id)), patience.ask);
      const now = rows[0]?.['STATE'];
      if (now !== 'prepared') throw lose(`the data snapshot ${id} is ${now === undefined ? 'gone' : `${now}, not prepared`}`);
      if (clock.boottime() > deadline) throw lose('its limit has passed');
    },
  };
}

async function open(access: Access, connect: Connect, window: FreezeWindow): Promise<Pick<DataSnapshot, 'hold' | 'watch' | 'connection'>> {
  const explain = (error: unknown) => hanaFailure(error, access, 'open a session');
  const { hold, watch, row } = await openBoth(window, (ms, signal) => connect(access, ms, signal), self, explain);
  return { hold, watch, connection: String(row['ID']) };
}

/** The id of the snapshot, once it is prepared. */
async function prepare(snapshot: DataSnapshot, window: FreezeWindow): Promise<string> {
  const { hold, watch, comment } = snapshot;
  let failed: unknown;
  snapshot.creating = hold.query(create(comment)).then(
    () => {
      snapshot.created = true;
    },
    (error: unknown) => {
      // The server's own no is an answer; the end of the line is none.
      snapshot.created = typeof (error as { code?: unknown }).code === 'number';
      failed = error;
    },
  );
  await window.run(() => snapshot.creating!);
  if (failed) throw failed;
  const [one, another] = preparedOf(await window.run(() => watch.query(prepared))).filter((entry) => entry.comment === comment);
  if (!one || another) throw new Error(`the backup catalogue has ${one ? 'two data snapshots' : 'no data snapshot'} "${comment}"`);
  snapshot.id = one.id;
  return one.id;
}

/** A server that is down may have it prepared still, and has when it is up again. Throws FREEZE_THAW_FAILED. */
async function rescue({ name, access, connect, tell }: Closing): Promise<void> {
  const closeAll = async () => {
    const session = await connect(access, patience.login);
    try {
      await closeLeftOvers(session, tell);
    } finally {
      session.close();
    }
  };
  try {
    await within(closeAll(), patience.rescue, () => new Error('the server does not answer'));
  } catch (error) {
    fail('FREEZE_THAW_FAILED', { name, detail: detailOf(error) }, { cause: error });
  }
}
