// The two sessions behind a freeze: one that holds, and one, opened beforehand, that proves it and can end it. While a file system is frozen
// none can be opened.
import { readFileSync } from 'node:fs';
import { fail, failure, isCode, type StillpointError } from '../base/errors.ts';
import { type FreezeWindow, within } from './bounds.ts';

export type Row = Readonly<Record<string, unknown>>;

export interface Session {
  /** The rows of one statement, none where it gives none. Rejects with the driver's error. */
  query(sql: string): Promise<readonly Row[]>;
  /** Why the session ended, in the server's words; undefined while it lives. */
  lost(): string | undefined;
  /** Ends it; the server lets go of what hangs on it. */
  close(): void;
}

/** Opens a session within `ms`; gives up with `signal`. Throws DATABASE_… errors. */
export type Connect<A, S extends Session> = (access: A, ms: number, signal?: AbortSignal) => Promise<S>;

/** How long a login may take, whatever the freeze's limit (ms). */
export const loginMs = 5000;

/**
 * What `connect` opens, as long as the window is; what comes too late is closed. Throws as window.run does, so that the end of our own limit
 * is told as such, and what `connect` throws.
 */
export async function openWithin<S extends { close(): void }>(
  window: FreezeWindow,
  connect: (ms: number, signal: AbortSignal) => Promise<S>,
): Promise<S> {
  const giveUp = new AbortController();
  let opening: Promise<S> | undefined;
  try {
    return await window.run(() => {
      opening = connect(loginMs, giveUp.signal);
      return opening;
    });
  } catch (error) {
    giveUp.abort();
    opening?.then(
      (late) => late.close(),
      () => undefined,
    );
    throw error;
  }
}

/** Both sessions, and the first row that `self` gives in the one that will hold. Throws what `explain` makes of an error. */
export async function openBoth<S extends Session>(
  window: FreezeWindow,
  connect: (ms: number, signal: AbortSignal) => Promise<S>,
  self: string,
  explain: (error: unknown) => Error,
): Promise<{ readonly hold: S; readonly watch: S; readonly row: Row }> {
  let hold: S | undefined;
  try {
    const holder = await openWithin(window, connect);
    hold = holder;
    const [row] = await window.run(() => holder.query(self));
    return { hold, watch: await openWithin(window, connect), row: row ?? {} };
  } catch (error) {
    hold?.close();
    throw explain(error);
  }
}

/** What the watching session is answered within `ms`, for a proof. Throws FREEZE_LOST: what cannot be proven is lost. */
export async function proofRows(name: string, watch: Session, asked: Promise<readonly Row[]>, ms: number): Promise<readonly Row[]> {
  try {
    return await within(asked, ms, () => failure('FREEZE_LOST', { name, detail: 'the server does not answer' }));
  } catch (error) {
    if (isCode(error, 'FREEZE_LOST')) throw error;
    const detail = `the server cannot be asked: ${watch.lost() ?? detailOf(error)}`;
    throw failure('FREEZE_LOST', { name, detail }, { cause: error });
  }
}

/** Those by which a server must prove itself (PEM). Throws FILE_UNREADABLE. */
export function certificates(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    return fail('FILE_UNREADABLE', { path, detail: (error as Error).message }, { cause: error });
  }
}

/**
 * The error to throw where a server could not prove itself by the certificates in `ca`, or has no TLS at all; undefined for other errors. It is
 * not down, and it got no password. Drivers hand on Node's error, put it into a cause, or keep its text only.
 */
export function unproven(database: string, ca: string, error: unknown): StillpointError | undefined {
  if (ca === '') return undefined;
  for (let one = error; one instanceof Error; one = one.cause) {
    const { code } = one as { code?: unknown };
    if (!unprovenCodes.test(String(code)) && !unprovenTexts.test(one.message)) continue;
    return failure('DATABASE_FAILED', { database, what: `prove itself by ${ca}`, detail: detailOf(error) }, { cause: error });
  }
  return undefined;
}

const unprovenCodes = /CERT|SIGNATURE|SSL|TLS|ENCRYPT/;
const unprovenTexts = /certificate|altnames|does not support (SSL|secure|encryption)/i;

/** What a driver or a server said, on one line. */
export function detailOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').trim() || 'it gave no reason';
}
