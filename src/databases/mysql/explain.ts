// What the server or the driver threw, in the words of our errors.
import { failure, StillpointError } from '../../base/errors.ts';
import { errorNumber, OutOfTime } from './session.ts';
import { addressText, type MysqlSettings } from './settings.ts';

/** ER_… numbers of MySQL and MariaDB for a right that is missing. */
const denied = new Set([1044, 1142, 1227, 1370]);
/** The server is going down, or has just ended the connection: 1053, 1077, 1927 (MariaDB), 4031 (MySQL). */
const ending = new Set([1053, 1077, 1927, 4031]);

export function explain(error: unknown, settings: MysqlSettings): StillpointError {
  if (error instanceof StillpointError) return error;
  const { message, fatal = false } = error as Error & { fatal?: boolean };
  const number = errorNumber(error);
  const cause = { cause: error };
  if (denied.has(number))
    return failure('DATABASE_RIGHT', { user: settings.user, right: `freeze it (${message})`, database: 'MySQL' }, cause);
  // It answered when we came; the end of the freeze's own limit is told before it gets here.
  if (error instanceof OutOfTime) return failure('DATABASE_BUSY', { database: 'MySQL', detail: message }, cause);
  if (ending.has(number) || fatal) {
    return failure('DATABASE_DOWN', { database: 'MySQL', address: addressText(settings.address), detail: message }, cause);
  }
  return failure('DATABASE_FAILED', { database: 'MySQL', what: 'be frozen', detail: message }, cause);
}
