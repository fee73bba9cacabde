// What SQL Server's answers mean. Numbers: "Database Engine events and errors" of its documentation; codes: npm's tedious.
import { errnoOf, failure, StillpointError } from '../../base/errors.ts';
import { detailOf, unproven } from '../sessions.ts';
import type { Access } from './settings.ts';

export const database = 'SQL Server';

/** No permission, by the statement that lacks it. */
const right = new Set([229, 230, 262, 297, 300, 5011, 15_151, 15_247]);
/** Lock timeout, backups must be serialized, too many sessions. */
const busy = new Set([1222, 3023, 17_809]);
/** Too many databases for one snapshot (64). */
const tooMany = 925;

/** An error of the driver or the server as the one to throw; `what` is what was tried (`suspend its databases`). */
export function mssqlFailure(error: unknown, access: Access, what: string): StillpointError {
  if (error instanceof StillpointError) return error;
  const { code, number } = (error ?? {}) as { code?: unknown; number?: unknown };
  const stranger = unproven(database, access.ca, error);
  if (stranger) return stranger;
  const { user, address } = access;
  const detail = detailOf(error);
  const cause = { cause: error };
  if (code === 'ELOGIN') return failure('DATABASE_LOGIN', { database, user, detail }, cause);
  if (typeof number === 'number') {
    if (right.has(number)) return failure('DATABASE_RIGHT', { database, user, right: `${what} (${detail})` }, cause);
    if (busy.has(number)) return failure('DATABASE_BUSY', { database, detail }, cause);
    if (number === tooMany) return failure('FREEZE_REFUSED', { name: 'mssql', detail }, cause);
    return failure('DATABASE_FAILED', { database, what, detail: `${detail} (error ${number})` }, cause);
  }
  if (errnoOf(error)) return failure('DATABASE_DOWN', { database, address, detail }, cause);
  return failure('DATABASE_FAILED', { database, what, detail }, cause);
}

/** Nobody listens there: no server, so nothing is suspended. One that only does not answer may hold it still. */
export function noServer(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ECONNREFUSED') return true;
    if (cause instanceof AggregateError && cause.errors.length > 0 && cause.errors.every(noServer)) return true;
  }
  return false;
}
