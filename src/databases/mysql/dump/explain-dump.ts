// What the server or the driver threw while a backup was read or brought back, in the words of our errors.
import { failure, StillpointError } from '../../../base/errors.ts';
import { detailOf } from '../../sessions.ts';
import { errorNumber, OutOfTime } from '../session.ts';
import { addressText, type MysqlSettings } from '../settings.ts';

/** ER_… numbers of MySQL and MariaDB. */
const denied = new Set([1044, 1142, 1143, 1227, 1370, 1410]);
const ending = new Set([1053, 1077, 1927, 4031]);
const busy = new Set([1205, 1213]);
/** Gone between two looks: database, table, routine, trigger, event, view. */
const vanished = new Set([1049, 1146, 1305, 1360, 1539, 1412]);

export function explainDump(error: unknown, settings: MysqlSettings, what = 'be read'): unknown {
  if (error instanceof StillpointError || !(error instanceof Error)) return error;
  const number = errorNumber(error);
  const { fatal = false } = error as { fatal?: boolean };
  const database = 'MySQL';
  const detail = detailOf(error);
  const cause = { cause: error };
  if (denied.has(number)) return failure('DATABASE_RIGHT', { user: settings.user, right: `do it (${detail})`, database }, cause);
  if (busy.has(number) || error instanceof OutOfTime) return failure('DATABASE_BUSY', { database, detail }, cause);
  if (vanished.has(number) && what === 'be read') return failure('DATABASE_CHANGED', { database, detail }, cause);
  if (ending.has(number) || fatal || /closed state|Connection lost/i.test(error.message))
    return failure('DATABASE_DOWN', { database, address: addressText(settings.address), detail }, cause);
  return number > 0 ? failure('DATABASE_FAILED', { database, what, detail }, cause) : error;
}
