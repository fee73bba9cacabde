// What SAP HANA's answers mean. Numbers: "SQL Error Codes" of the SAP HANA SQL Reference Guide; codes in letters: npm's hdb.
import { errnoOf, failure, StillpointError } from '../../base/errors.ts';
import { detailOf, unproven } from '../sessions.ts';
import type { Access } from './settings.ts';

export const database = 'SAP HANA';

/** Authentication failed, password must be changed, user is locked. */
const login = new Set([10, 414, 416]);
const insufficientPrivilege = 258;

/** An error of the driver or the server as the one to throw; `what` is what was tried (`create a data snapshot`). */
export function hanaFailure(error: unknown, access: Access, what: string): StillpointError {
  if (error instanceof StillpointError) return error;
  const { code } = (error ?? {}) as { code?: unknown };
  const stranger = unproven(database, access.ca, error);
  if (stranger) return stranger;
  const { user, address } = access;
  const detail = detailOf(error);
  const cause = { cause: error };
  if (typeof code === 'number') {
    if (login.has(code)) return failure('DATABASE_LOGIN', { database, user, detail }, cause);
    if (code === insufficientPrivilege) return failure('DATABASE_RIGHT', { database, user, right: `${what} (${detail})` }, cause);
    return failure('DATABASE_FAILED', { database, what, detail: `${detail} (error ${code})` }, cause);
  }
  if (errnoOf(error)) return failure('DATABASE_DOWN', { database, address, detail }, cause);
  return failure('DATABASE_FAILED', { database, what, detail }, cause);
}
