// What PostgreSQL's answers mean. SQLSTATE codes: appendix A of the PostgreSQL documentation.
import { errnoOf, failure, StillpointError } from '../../base/errors.ts';
import { detailOf, unproven } from '../sessions.ts';
import type { Access } from './settings.ts';

export const database = 'PostgreSQL';

/** too_many_connections, lock_not_available, query_canceled (a statement ran into its limit). */
const busy = new Set(['53300', '55P03', '57014']);
const login = new Set(['28000', '28P01']);
/** cannot_connect_now, admin_shutdown, crash_shutdown, idle_session_timeout. */
const down = new Set(['57P03', '57P01', '57P02', '57P05']);
const connection = /^(timeout expired|Connection terminated)/;
/** The driver's own words when the server asks for a password and none is set. */
const noPassword = /client password must be/;

/** An error of the driver or the server as the one to throw; `what` is what was tried (`start a backup`). */
export function postgresFailure(error: unknown, access: Access, what: string): StillpointError {
  if (error instanceof StillpointError) return error;
  const { code } = (error ?? {}) as { code?: unknown };
  const state = typeof code === 'string' ? code : '';
  const stranger = unproven(database, access.ca, error);
  if (stranger) return stranger;
  const { user, address } = access;
  const detail = detailOf(error);
  const cause = { cause: error };
  if (noPassword.test(detail))
    return failure('DATABASE_LOGIN', { database, user, detail: 'it asks for a password and none is set' }, cause);
  if (login.has(state)) return failure('DATABASE_LOGIN', { database, user, detail }, cause);
  if (state === '42501') return failure('DATABASE_RIGHT', { database, user, right: `${what} (${detail})` }, cause);
  if (busy.has(state)) return failure('DATABASE_BUSY', { database, detail }, cause);
  if (down.has(state) || errnoOf(error) || connection.test(detail)) return failure('DATABASE_DOWN', { database, address, detail }, cause);
  return failure('DATABASE_FAILED', { database, what, detail }, cause);
}
