// Closes data snapshots. A snapshot that stays prepared blocks every later one and makes the data area grow, and HANA sets it no limit.
import { fail } from '../../base/errors.ts';
import type { FreezeFacts } from '../../ports/quiescer.ts';
import { within } from '../bounds.ts';
import { detailOf, noServer } from './failures.ts';
import type { Connect, Session } from './session.ts';
import type { Access } from './settings.ts';
import { type DataSnapshot, mark, type Prepared, preparedOf } from './snapshot.ts';
import { busy, close, disconnect, prepared } from './statements.ts';

/** Times in ms; `all` is for everything together. */
const patience = { all: 4500, connect: 1000, ask: 1000, disconnect: 500, poll: 50, closing: 60_000 };

type Soon = <T>(work: Promise<T>, ms: number) => Promise<T>;

/** Known by its identity: the patience ended, not the statement. */
const late = new Error('the server does not answer');

export interface Closing {
  readonly name: string;
  readonly access: Access;
  readonly connect: Connect;
  tell(line: string): void;
}

type As = 'successful' | 'unsuccessful';

/**
 * Closes the snapshot, as successful where the caller knows under which id it is kept. Also when CREATE has not answered yet: it is ended
 * then, and what it made is looked for. Throws FREEZE_THAW_FAILED; may be called again then.
 */
export async function release(closing: Closing, snapshot: DataSnapshot, externalId: string | undefined): Promise<FreezeFacts> {
  const { name, access, connect, tell } = closing;
  let as: As | undefined;
  try {
    if (snapshot.creating) as = await closeAll(snapshot, externalId, access, connect, tell);
  } catch (error) {
    // The sessions stay: a CLOSE that is slow must not be cut off again and again.
    if (!noServer(error)) fail('FREEZE_THAW_FAILED', { name, detail: detailOf(error) }, { cause: error });
    tell(`SAP HANA is down; if the snapshot ${snapshot.comment} is prepared when it is up again, the next freeze or thaw closes it`);
  }
  snapshot.hold.close();
  snapshot.watch.close();
  if (!as) return {};
  return as === 'successful' ? { closed: as, externalId: externalId! } : { closed: as };
}

/** Until none is prepared and none can become so. */
async function closeAll(
  snapshot: DataSnapshot,
  externalId: string | undefined,
  access: Access,
  connect: Connect,
  tell: (line: string) => void,
): Promise<As | undefined> {
  const until = performance.now() + patience.all;
  const soon: Soon = (work, ms) => within(work, Math.min(ms, until - performance.now()), () => late);
  let as = await closed(snapshot, soon).catch((error: unknown) => notLate(error, tell));
  if (!snapshot.created) await stopCreating(snapshot, soon, tell);
  for (;;) {
    if (snapshot.watch.lost()) snapshot.watch = await connect(access, Math.min(patience.connect, until - performance.now()));
    const { watch } = snapshot;
    const left = preparedOf(await soon(watch.query(prepared), patience.ask)).filter((one) => isOurs(one, snapshot));
    const running = snapshot.created || left.length > 0 ? [] : await soon(watch.query(busy(snapshot.connection)), patience.ask);
    if (left.length === 0 && running.length === 0) return as;
    for (const { id } of left) as = await closeOne(id, snapshot, externalId, soon, tell);
    if (performance.now() > until) throw new Error(`the data snapshot ${snapshot.id ?? snapshot.comment} is still prepared`);
    await new Promise((resolve) => setTimeout(resolve, patience.poll));
  }
}

/** How the CLOSE that was sent last ended; undefined if none was sent. Throws `late` while it is under way. */
async function closed(snapshot: DataSnapshot, soon: Soon): Promise<As | undefined> {
  const { closing } = snapshot;
  if (!closing) return undefined;
  if (performance.now() - closing.since > patience.closing) closing.session.close();
  const ended = () => delete snapshot.closing;
  closing.done.then(ended, ended);
  return soon(closing.done, patience.all);
}

/**
 * By the other session too, if the first cannot: it is the system's snapshot, not the session's. And as unsuccessful, if HANA does not take it
 * as successful: after the restart of one of its services it does not. Throws the last reason.
 */
async function closeOne(
  id: string,
  snapshot: DataSnapshot,
  externalId: string | undefined,
  soon: Soon,
  tell: (line: string) => void,
): Promise<As> {
  const { hold, watch } = snapshot;
  let reason = '';
  for (const kept of externalId === undefined ? [undefined] : [externalId, undefined]) {
    for (const session of hold.lost() ? [watch] : [hold, watch]) {
      const done = session.query(close(id, kept)).then((): As => (kept === undefined ? 'unsuccessful' : 'successful'));
      snapshot.closing = { session, done, since: performance.now() };
      const as = await closed(snapshot, soon).catch((error: unknown) => {
        reason = detailOf(error);
        return notLate(error, tell);
      });
      if (as) return as;
    }
  }
  throw new Error(`the data snapshot ${id} is still prepared: ${reason}`);
}

function notLate(error: unknown, tell: (line: string) => void): undefined {
  if (error === late) throw error;
  tell(`cannot close the data snapshot: ${detailOf(error)}`);
}

/** Closes what a process that died left prepared; other people's snapshots are left alone. Throws DATABASE_… errors and the driver's. */
export async function closeLeftOvers(session: Session, tell: (line: string) => void): Promise<readonly Prepared[]> {
  const all = preparedOf(await session.query(prepared));
  for (const { id, comment } of all.filter((one) => one.comment.startsWith(mark))) {
    await session.query(close(id, undefined));
    tell(`closed the data snapshot ${id} that an earlier freeze left behind (${comment})`);
  }
  return all.filter((one) => !one.comment.startsWith(mark));
}

/** The answer of CREATE may never come; without its session it ends, or has ended. */
async function stopCreating(snapshot: DataSnapshot, soon: Soon, tell: (line: string) => void): Promise<void> {
  const { watch, hold, connection } = snapshot;
  if (!watch.lost()) {
    await soon(watch.query(disconnect(connection)), patience.disconnect).catch((error: unknown) =>
      tell(`cannot end session ${connection}: ${detailOf(error)}`),
    );
  }
  hold.close();
}

const isOurs = (one: Prepared, { id, comment }: DataSnapshot): boolean => one.id === id || one.comment === comment;
