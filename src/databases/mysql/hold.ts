// The session that holds the lock and the one that watches it: the watcher is open before anything is locked, proves that the holder lives, and
// ends it by its connection id. A named lock that dies with the holder's session tells the holder from anybody who got its id later.
import { setTimeout as pause } from 'node:timers/promises';
import { fail, failure } from '../../base/errors.ts';
import type { FreezeWindow } from '../bounds.ts';
import { openWithin } from '../sessions.ts';
import { errorNumber, OutOfTime, openSession, type Session } from './session.ts';
import type { MysqlSettings } from './settings.ts';

const lockName = 'stillpoint.freeze';

/** Milliseconds. A thaw has to be done within 5 s, with a kill and a fresh connection if need be. */
const limits = { answer: 1000, release: 1000, gone: 1000, connect: 1000 };

/** The watcher outlives the holder by so much (s). */
const afterwards = 60;

export interface Pair {
  readonly holder: Session;
  readonly watcher: Session;
}

/** Throws what openSession throws, and what the window does at its end. */
export async function openPair(settings: MysqlSettings, window: FreezeWindow): Promise<Pair> {
  const open = () => openWithin(window, (ms, signal) => openSession(settings, ms, signal));
  const holder = await open();
  let watcher: Session | undefined;
  try {
    watcher = await open();
    await limitAtServer(holder, window.wholeSeconds());
    await limitAtServer(watcher, window.wholeSeconds() + afterwards);
    return { holder, watcher };
  } catch (error) {
    holder.close();
    watcher?.close();
    throw error;
  }
}

/** One freeze at a time on this server, whoever asks. Throws DATABASE_BUSY. */
export async function markHolder({ holder, watcher }: Pair, database: string): Promise<void> {
  const rows = await holder.query(`SELECT GET_LOCK('${lockName}', 0) AS got`, limits.answer);
  if (Number(rows[0]?.['got']) === 1) return;
  const other = await markedBy(watcher);
  fail('DATABASE_BUSY', { database, detail: `it is frozen already, by connection ${other ?? 'unknown'} of another freeze` });
}

/** The server ends a session, and drops what it holds, that stays silent for so long (s). */
export async function limitAtServer(session: Session, seconds: number): Promise<void> {
  await session.query(`SET SESSION wait_timeout = ${seconds}, interactive_timeout = ${seconds}`, limits.answer);
}

/** Why the holder cannot be shown to have held all the time; undefined when it has. */
export async function breach({ holder, watcher }: Pair): Promise<string | undefined> {
  const ended = () => holder.gone() && `connection ${holder.id}, which held it, was ended (${holder.gone()})`;
  try {
    const marked = await markedBy(watcher);
    if (ended()) return ended();
    return marked === holder.id ? undefined : `connection ${holder.id}, which held it, is gone from the server`;
  } catch (error) {
    return ended() || `the server does not say whether connection ${holder.id} still holds it: ${(error as Error).message}`;
  }
}

/** Ends the holder at the server and sees it gone. */
export async function killHolder({ holder, watcher }: Pair): Promise<void> {
  await kill(watcher, holder.id);
  holder.close();
  await seeGone(watcher, holder.id);
}

/**
 * Releases what the holder holds, by statement, else by killing it through the watcher, else through a fresh connection. Idempotent. Throws
 * FREEZE_THAW_FAILED when the server cannot be asked whether it is released. Gives how it was done.
 */
export async function letGo(pair: Pair, settings: MysqlSettings, release: readonly string[]): Promise<'released' | 'killed' | 'gone'> {
  try {
    return await letGoNow(pair, settings, release);
  } finally {
    // The server drops what a closed connection holds, also where nobody could ask it.
    pair.holder.close();
    pair.watcher.close();
  }
}

async function letGoNow(pair: Pair, settings: MysqlSettings, release: readonly string[]) {
  const { holder, watcher } = pair;
  if (!holder.gone()) {
    try {
      const statements = [...release, `SELECT RELEASE_LOCK('${lockName}')`];
      for (const statement of statements) await holder.query(statement, limits.release / statements.length);
      return 'released';
    } catch {
      // Stuck or broken: killed below.
    }
  }
  if (!watcher.gone()) {
    try {
      const there = (await markedBy(watcher)) === holder.id;
      if (there) await killHolder(pair);
      return there ? 'killed' : 'gone';
    } catch {
      // The watcher is stuck too: a fresh connection below.
    }
  }
  holder.close();
  return killAfresh(holder.id, settings);
}

async function killAfresh(id: number, settings: MysqlSettings): Promise<'killed' | 'gone'> {
  let fresh: Session | undefined;
  try {
    fresh = await openSession(settings, limits.connect);
    if ((await markedBy(fresh)) !== id) return 'gone';
    await kill(fresh, id);
    await seeGone(fresh, id);
    return 'killed';
  } catch (error) {
    if (noServer(error)) return 'gone';
    throw failure('FREEZE_THAW_FAILED', { name: 'mysql', detail: (error as Error).message }, { cause: error });
  } finally {
    fresh?.close();
  }
}

/** Nobody listens: a server that is not there holds nothing. */
const noServer = (error: unknown): boolean => {
  const code = ((error as Error).cause as { code?: string } | undefined)?.code ?? '';
  return ['ECONNREFUSED', 'ENOENT'].includes(code);
};

async function markedBy(session: Session): Promise<number | undefined> {
  const rows = await session.query(`SELECT IS_USED_LOCK('${lockName}') AS id`, limits.answer);
  const id = rows[0]?.['id'];
  return id === null || id === undefined ? undefined : Number(id);
}

async function kill(session: Session, id: number): Promise<void> {
  try {
    await session.query(`KILL CONNECTION ${id}`, limits.answer);
  } catch (error) {
    // 1094: there is no such connection.
    if (errorNumber(error) !== 1094) throw error;
  }
}

/** Locks are dropped before a session leaves the list of processes. */
async function seeGone(session: Session, id: number): Promise<void> {
  const end = performance.now() + limits.gone;
  for (;;) {
    const rows = await session.query('SHOW PROCESSLIST', limits.answer);
    if (!rows.some((row) => Number(row['Id']) === id)) return;
    if (performance.now() > end) throw new OutOfTime(`connection ${id} was killed and is still there`);
    await pause(20);
  }
}
