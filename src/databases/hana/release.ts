// Closes data snapshots. A snapshot that stays prepared blocks every later one and makes the data area grow, and HANA sets it no limit.
import { fail } from '../../base/errors.ts';
import type { FreezeFacts } from '../../ports/quiescer.ts';
import { within } from '../bounds.ts';
import { detailOf, type Session } from '../sessions.ts';
import type { Connect } from './session.ts';
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

/**
 * Closes the snapshot. Also when CREATE has not answered yet: it is ended then, and what it made is looked for. Throws FREEZE_THAW_FAILED, also
 * for a server that is down, since the snapshot outlives it; may be called again then.
 */
export async function release({ name, access, connect, tell }: Closing, snapshot: DataSnapshot): Promise<FreezeFacts> {
  let facts: FreezeFacts = {};
  try {
    if (snapshot.creating) facts = (await closeAll(snapshot, access, connect, tell)) ? { closed: 'unsuccessful' } : {};
  } catch (error) {
    // The sessions stay: a CLOSE that is slow must not be cut off again and again.
    fail('FREEZE_THAW_FAILED', { name, detail: detailOf(error) }, { cause: error });
  }
  snapshot.hold.close();
  snapshot.watch.close();
  return facts;
}

/** Until none is prepared and none can become so. Gives whether one was closed. */
async function closeAll(snapshot: DataSnapshot, access: Access, connect: Connect, tell: (line: string) => void): Promise<boolean> {
  const until = performance.now() + patience.all;
  const soon: Soon = (work, ms) => within(work, Math.min(ms, until - performance.now()), () => late);
  let done = await closed(snapshot, soon).catch((error: unknown) => notLate(error, tell));
  if (!snapshot.created) await stopCreating(snapshot, soon, tell);
  for (;;) {
    if (snapshot.watch.lost()) snapshot.watch = await connect(access, Math.min(patience.connect, until - performance.now()));
    const { watch } = snapshot;
    const left = preparedOf(await soon(watch.query(prepared), patience.ask)).filter((one) => isOurs(one, snapshot));
    const running = snapshot.created || left.length > 0 ? [] : await soon(watch.query(busy(snapshot.connection)), patience.ask);
    if (left.length === 0 && running.length === 0) return done;
    for (const { id } of left) {
      await closeOne(id, snapshot, soon, tell);
      done = true;
    }
    if (performance.now() > until) throw new Error(`the data snapshot ${snapshot.id ?? snapshot.comment} is still prepared`);
    await new Promise((resolve) => setTimeout(resolve, patience.poll));
  }
}

/** Whether a CLOSE was sent and has worked. Throws `late` while it is under way, and its error. */
async function closed(snapshot: DataSnapshot, soon: Soon): Promise<boolean> {
  const { closing } = snapshot;
  if (!closing) return false;
  if (performance.now() - closing.since > patience.closing) closing.session.close();
  const ended = () => delete snapshot.closing;
  closing.done.then(ended, ended);
  await soon(closing.done, patience.all);
  return true;
}

/** By the other session too, if the first cannot: it is the system's snapshot, not the session's. Throws the last reason. */
async function closeOne(id: string, snapshot: DataSnapshot, soon: Soon, tell: (line: string) => void): Promise<void> {
  const { hold, watch } = snapshot;
  let reason = '';
  for (const session of hold.lost() ? [watch] : [hold, watch]) {
    snapshot.closing = { session, done: session.query(close(id)), since: performance.now() };
    const done = await closed(snapshot, soon).catch((error: unknown) => {
      reason = detailOf(error);
      return notLate(error, tell);
    });
    if (done) return;
  }
  throw new Error(`the data snapshot ${id} is still prepared: ${reason}`);
}

function notLate(error: unknown, tell: (line: string) => void): false {
  if (error === late) throw error;
  tell(`cannot close the data snapshot: ${detailOf(error)}`);
  return false;
}

/** Closes what a process that died left prepared; other people's snapshots are left alone. Throws DATABASE_… errors and the driver's. */
export async function closeLeftOvers(session: Session, tell: (line: string) => void): Promise<readonly Prepared[]> {
  const all = preparedOf(await session.query(prepared));
  for (const { id, comment } of all.filter((one) => one.comment.startsWith(mark))) {
    await session.query(close(id));
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
