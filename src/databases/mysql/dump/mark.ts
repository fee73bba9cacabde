// Where the binary log stood at the moment of a dump.
import type { LogMark } from '../../../model/service.ts';
import { serverIdentity } from '../identity.ts';
import { isAtLeast, type Server } from '../server.ts';
import { type Ask, errorNumber, type Row } from '../session.ts';
import { quoteText } from './sql.ts';

const position = /^-- CHANGE (?:MASTER|REPLICATION SOURCE) TO (?:MASTER|SOURCE)_LOG_FILE='([^']+)', (?:MASTER|SOURCE)_LOG_POS=(\d+)/m;

/** What the dump says on top of itself, and MySQL's transactions below it. `at` in ms. */
export async function markOf(ask: Ask, server: Server, header: string, footer: string, at: number): Promise<LogMark | undefined> {
  const [, file, offset] = position.exec(header) ?? [];
  if (!server.binaryLog || file === undefined || offset === undefined) return undefined;
  return markAt(ask, server, file, offset, at, executedIn(header + footer));
}

/** Of a backup without rows: where it stands now. */
export async function markNow(ask: Ask, server: Server, at: number): Promise<LogMark | undefined> {
  if (!server.binaryLog) return undefined;
  const renamed = server.kind === 'MySQL' && isAtLeast(server.version, '8.2.0');
  const row = (await unlessDenied(ask(renamed ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS')))[0];
  if (row === undefined) return undefined;
  return markAt(ask, server, String(row['File']), String(row['Position']), at, String(row['Executed_Gtid_Set'] ?? ''));
}

/** A dump of MariaDB knows its place without this right. */
async function unlessDenied(rows: Promise<readonly Row[]>): Promise<readonly Row[]> {
  try {
    return await rows;
  } catch (error) {
    if (errorNumber(error) === 1227) return [];
    throw error;
  }
}

async function markAt(ask: Ask, server: Server, file: string, offset: string, at: number, executed: string): Promise<LogMark> {
  const gtid = server.kind === 'MariaDB' ? await mariaGtid(ask, file, offset) : executed.replace(/\s+/g, '');
  return { place: `${file}:${offset}`, ...(gtid !== '' && { gtid }), at, server: await serverIdentity(ask, server) };
}

async function mariaGtid(ask: Ask, file: string, offset: string): Promise<string> {
  const row = (await ask(`SELECT BINLOG_GTID_POS(${quoteText(file)}, ${offset}) AS gtid`))[0];
  return String(row?.['gtid'] ?? '');
}

const executedIn = (text: string): string => /GTID_PURGED=(?:\/\*!80000 '\+'\*\/ )?'\+?([^']*)'/.exec(text)?.[1] ?? '';
