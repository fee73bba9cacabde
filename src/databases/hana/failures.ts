// What SAP HANA's answers mean. Numbers: "SQL Error Codes" of the SAP HANA SQL Reference Guide; codes in letters: npm's hdb.
import { errnoOf, failure, StillpointError } from '../../base/errors.ts';
import type { Access } from './settings.ts';

export const database = 'SAP HANA';

/** Authentication failed, password must be changed, user is locked. */
const login = new Set([10, 414, 416]);
const insufficientPrivilege = 258;

/** An error of the driver or the server as the one to throw; `what` is what was tried (`create a data snapshot`). */
export function hanaFailure(error: unknown, access: Access, what: string): StillpointError {
  if (error instanceof StillpointError) return error;
  const { code } = (error ?? {}) as { code?: unknown };
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

/** Nobody listens there. The driver keeps the reasons in its text only. */
export function noServer(error: unknown): boolean {
  return error instanceof StillpointError && error.code === 'DATABASE_DOWN' && error.message.includes('ECONNREFUSED');
}

export function detailOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').trim() || 'it gave no reason';
}
