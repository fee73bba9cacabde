// Which keys of a copy are meant.
import type { RdbKey } from './rdb.ts';

/** What has expired by now is left out: a server would drop it in any case, and with it what has the same name today. */
export const isExpired = ({ expiresAt }: RdbKey, now: number): boolean => expiresAt !== undefined && expiresAt <= now;

/** For messages: any bytes, on one line. */
export const keyText = (name: Buffer): string => JSON.stringify(name.toString('utf8').slice(0, 100));

/** The name of a library of functions (`#!lua name=stock`). */
export const libraryName = (code: Buffer): string => /^#!\S+[^\n]*?\bname=(\S+)/.exec(code.toString('latin1'))?.[1] ?? '';
