// SAP HANA with a data snapshot: a frozen state inside the data area, from which it can be recovered, while the database runs on.
import type { Clock } from '../../base/clock.ts';
import { fail, failure, isCode } from '../../base/errors.ts';
import { systemClock } from '../../base/system-clock.ts';
import type { FreezeFacts, Quiescer } from '../../ports/quiescer.ts';
import { type FreezeWindow, freezeWindow, within } from '../bounds.ts';
import { database, detailOf, hanaFailure, noServer } from './failures.ts';
import { lookAtSystem } from './look.ts';
import { type Closing, closeLeftOvers, release } from './release.ts';
import { type Connect, connectHana } from './session.ts';
import type { Access } from './settings.ts';
import { type DataSnapshot, mark, preparedOf } from './snapshot.ts';
import { create, prepared, self, state } from './statements.ts';

export interface HanaQuiescer extends Quiescer {
  /**
   * To be called between held() and thaw() by a caller whose storage snapshot is durable and will be kept under `externalId`: the thaw then
   * closes the data snapshot as SUCCESSFUL, and HANA counts it as a backup. Without it every thaw closes it as UNSUCCESSFUL, for a snapshot
   * that only lives until it is read is no backup yet.
   */
  confirm(externalId: string): void;
}

export interface Means {
  readonly clock?: Clock;
  readonly connect?: Connect;
}

/** Times in ms. */
const patience = { connect: 5000, ask: 1500, rescue: 4500 };

export function hanaQuiescer(access: Access, tell: (line: string) => void, means: Means = {}): HanaQuiescer {
  const name = 'hana';
  const { clock = systemClock, connect = connectHana } = means;
  const closing: Closing = { name, access, connect, tell };
  let snapshot: DataSnapshot | undefined;
  let thawing: Promise<FreezeFacts> | undefined;
  let externalId: string | undefined;
  let known = false;

  const thawOnce = async (): Promise<FreezeFacts> => {
    // A snapshot outlives the process that made it: without a freeze of its own, a thaw is the one after a crash.
    if (!known) await rescue(closing);
    if (!snapshot) return {};
    const facts = await release(closing, snapshot, externalId);
    snapshot = undefined;
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
      if (snapshot) fail('FREEZE_FAILED', { name, detail: 'it was not thawed since the last freeze' });
      known = true;
      externalId = undefined;
      const window = freezeWindow(name, limit, clock);
      const now = new Date().toISOString();
      const mine = await open(access, connect, window, { comment: `${mark}${now}`, deadline: limit.deadline });
      snapshot = mine;
      try {
        const facts = await window.run(() => lookAtSystem(name, mine.watch, access));
        const [other] = await window.run(() => closeLeftOvers(mine.watch, tell));
        if (other)
          fail('DATABASE_BUSY', { database, detail: `the data snapshot ${other.id} is prepared and not closed (${other.comment})` });
        const id = await prepare(mine, window);
        tell(`SAP HANA ${facts['sid']}: data snapshot ${id} is prepared`);
        return { ...facts, backupId: id, comment: mine.comment };
      } catch (error) {
        await thaw().catch((failed: unknown) => tell(detailOf(failed)));
        throw hanaFailure(error, access, 'create a data snapshot');
      }
    },

    async held() {
      const lose = (detail: string, cause?: unknown) => failure('FREEZE_LOST', { name, detail }, { cause });
      if (!snapshot?.id) throw lose('no data snapshot was created');
      const { watch, id, deadline } = snapshot;
      const late = () => lose('the server does not answer');
      const rows = await within(watch.query(state(id)), patience.ask, late).catch((error: unknown) => {
        throw isCode(error, 'FREEZE_LOST') ? error : lose(`the server cannot be asked: ${watch.lost() ?? detailOf(error)}`, error);
      });
      const now = rows[0]?.['STATE'];
      if (now !== 'prepared') throw lose(`the data snapshot ${id} is ${now === undefined ? 'gone' : `${now}, not prepared`}`);
      if (clock.boottime() > deadline) throw lose('its limit has passed');
    },

    confirm(id) {
      if (!/^[\x20-\x7e]{1,128}$/.test(id))
        fail('USAGE', { detail: 'the external id of a data snapshot has 1 to 128 printable characters' });
      if (snapshot?.id) externalId = id;
    },
  };
}

async function open(
  access: Access,
  connect: Connect,
  window: FreezeWindow,
  more: { readonly comment: string; readonly deadline: number },
): Promise<DataSnapshot> {
  const opened = async () => {
    const opening = connect(access, Math.min(patience.connect, window.left()), window.signal);
    return window
      .run(() => opening)
      .catch((error: unknown) => {
        opening.then(
          (late) => late.close(),
          () => undefined,
        );
        throw hanaFailure(error, access, 'open a session');
      });
  };
  const hold = await opened();
  try {
    const [row] = await window.run(() => hold.query(self));
    return { hold, watch: await opened(), connection: String(row?.['ID']), created: false, ...more };
  } catch (error) {
    hold.close();
    throw hanaFailure(error, access, 'open a session');
  }
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

async function rescue({ name, access, connect, tell }: Closing): Promise<void> {
  const closeAll = async () => {
    const session = await connect(access, patience.connect);
    try {
      await closeLeftOvers(session, tell);
    } finally {
      session.close();
    }
  };
  try {
    await within(closeAll(), patience.rescue, () => new Error('the server does not answer'));
  } catch (error) {
    if (!noServer(error)) fail('FREEZE_THAW_FAILED', { name, detail: detailOf(error) }, { cause: error });
  }
}
