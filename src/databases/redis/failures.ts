// What the server or the line to it said, in the words of our errors.
import { failure, StillpointError } from '../../base/errors.ts';
import { detailOf, unproven } from '../sessions.ts';
import { addressText, type RedisAccess, userText } from './settings.ts';

/** An answer that begins with `-`, without that sign. */
export class ReplyError extends Error {}

const login = /^(WRONGPASS|NOAUTH)|invalid password|\bAUTH\b.*(called without|no password is set)|invalid username-password/i;
/** It would answer another time: it loads its data, runs a script, has too many clients, or has lost its own master. */
const busy = /^(LOADING|BUSY|TRYAGAIN|MASTERDOWN|NOMASTERLINK)\b|max number of clients/;
const denied = /^NOPERM\b/;
const refusedLine = /^DENIED\b/;

/** What all the account needs, as rules of ACL SETUSER. */
export type Rights = readonly string[];

/** `what`: what could not be done, to follow "could not". */
export function explain(error: unknown, access: RedisAccess, what: string, rights: Rights): StillpointError {
  if (error instanceof StillpointError) return error;
  const cause = { cause: error };
  const detail = detailOf(error);
  if (!isReply(error)) {
    return (
      unproven('Redis', access.ca, error) ??
      failure('DATABASE_DOWN', { database: 'Redis', address: addressText(access.address), detail }, cause)
    );
  }
  if (login.test(detail)) return failure('DATABASE_LOGIN', { database: 'Redis', user: userText(access), detail }, cause);
  if (denied.test(detail)) return lacking(access, [missingIn(detail)], rights, error);
  if (busy.test(detail)) return failure('DATABASE_BUSY', { database: 'Redis', detail }, cause);
  if (refusedLine.test(detail)) {
    return failure('DATABASE_DOWN', { database: 'Redis', address: addressText(access.address), detail }, cause);
  }
  return failure('DATABASE_FAILED', { database: 'Redis', what, detail }, cause);
}

export function lacking(access: RedisAccess, missing: readonly string[], rights: Rights, cause?: unknown): StillpointError {
  const user = userText(access);
  const statement = `ACL SETUSER ${user} ${rights.join(' ')}`;
  return failure('DATABASE_GRANTS', { user, database: 'Redis', missing: missing.join(' '), statement }, { cause });
}

/** The rule that would grant what NOPERM names: a command, else keys. */
export function missingIn(detail: string): string {
  const command = /'([^']+)' command/.exec(detail)?.[1];
  if (command !== undefined) return `+${command.toLowerCase()}`;
  return /key/.test(detail) ? '~*' : detail;
}

/** ioredis has a class of its own for what the server answered. */
export const isReply = (error: unknown): error is Error =>
  error instanceof ReplyError || (error instanceof Error && error.name === 'ReplyError');
