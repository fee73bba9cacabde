// What the server has of its log, and from where a backup goes on in it.
import { fail } from '../../../base/errors.ts';
import type { LogMark } from '../../../model/service.ts';
import { serverIdentity } from '../identity.ts';
import { isAtLeast, label, type Server } from '../server.ts';
import type { Ask, Row } from '../session.ts';
import { entryOf, parseGtid } from './gtid.ts';
import { filesBetween, type Place, parsePlace, placeText } from './place.ts';

export interface ServerLog {
  /** Where the log ends now. */
  readonly end: LogMark;
  /** Oldest first, with the bytes that each had when it was asked for. */
  readonly files: readonly { readonly name: string; readonly size: number }[];
}

/** Throws LOG_OFF. */
export async function readServerLog(ask: Ask, server: Server): Promise<ServerLog> {
  if (!server.binaryLog) {
    fail('LOG_OFF', {
      database: label(server),
      detail: 'its binary log is off',
      setting: 'log_bin and a server_id in the section [mysqld]',
    });
  }
  const newWords = server.kind === 'MySQL' && isAtLeast(server.version, '8.2.0');
  const seconds = Number((await ask('SELECT UNIX_TIMESTAMP() AS now'))[0]?.['now']);
  const status: Row = (await ask(newWords ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS'))[0] ?? {};
  const place = `${status['File']}:${status['Position']}`;
  const gtid = server.kind === 'MySQL' ? String(status['Executed_Gtid_Set'] ?? '').replace(/\s/g, '') : await gtidAt(ask, place);
  const rows = await ask('SHOW BINARY LOGS');
  return {
    // Events know whole seconds, and of the present one more may come: the last moment that is complete is the end of the one before.
    end: { place, ...(gtid && { gtid }), at: seconds * 1000 - 1, server: await serverIdentity(ask, server) },
    files: rows.map((row) => ({ name: String(row['Log_name']), size: Number(row['File_size']) })),
  };
}

/** MariaDB's position by domain at a place of its log; undefined where the server does not know it. */
export async function gtidAt(ask: Ask, place: string): Promise<string | undefined> {
  const { file, position } = parsePlace(place)!;
  const rows = await ask(`SELECT BINLOG_GTID_POS(${literal(file)}, ${position}) AS pos`);
  const value = rows[0]?.['pos'];
  return typeof value === 'string' ? value : undefined;
}

/** Where in this server's log what came after `since` begins. Throws LOG_GAP. */
export function beginning(ask: Ask, server: Server, log: ServerLog, since: LogMark): Promise<Place> {
  return since.server === log.end.server ? samePlace(ask, server, log, since) : otherServer(ask, server, log, since);
}

async function samePlace(ask: Ask, server: Server, { files, end }: ServerLog, since: LogMark): Promise<Place> {
  const gap = (detail: string): never => fail('LOG_GAP', { database: label(server), detail });
  const place = parsePlace(since.place);
  if (!place) return gap(`${since.place} is no place in a binary log`);
  const file = files.find(({ name }) => name === place.file);
  if (!file) {
    const oldest = files[0]?.name ?? '';
    return gap(`${filesBetween(place.file, oldest)} was purged before it was backed up; the oldest log file is ${oldest}`);
  }
  const size = file.name === parsePlace(end.place)?.file ? Math.max(file.size, parsePlace(end.place)!.position) : file.size;
  if (place.position > size) return gap(`${place.file} ends at ${size}, before ${placeText(place)}: the log was begun anew`);
  if (await differs(ask, server, since)) return gap(`${placeText(place)} is not where it was: the log was begun anew`);
  return place;
}

/** After RESET MASTER, or a reinstallation, files of the same names hold another history. */
async function differs(ask: Ask, server: Server, since: LogMark): Promise<boolean> {
  if (!since.gtid) return false;
  if (server.kind === 'MySQL') return !(await isTrue(ask, `GTID_SUBSET(${literal(since.gtid)}, @@GLOBAL.gtid_executed)`));
  const here = await gtidAt(ask, since.place);
  if (here === undefined) return true;
  const own = String((await ask('SELECT @@GLOBAL.server_id AS id'))[0]?.['id']);
  const was = since.gtid.split(',').flatMap((text) => parseGtid(text) ?? []);
  // What it has by replication need not stand in its own log.
  const lacks = was.some(({ of, server, number }) => server === own && entryOf(here, of)?.number !== number);
  return lacks || !isUpTo(here, since.gtid);
}

/** The start of the newest file that begins before, or with, what comes after `since`: what it has of older things a restore leaves out. */
async function otherServer(ask: Ask, server: Server, { files, end }: ServerLog, since: LogMark): Promise<Place> {
  const gap = (detail: string): never => fail('LOG_GAP', { database: label(server), detail });
  if (!since.gtid) return gap('another server answers now, and the last backup knows no global transaction ids to find the place by');
  const { kind } = server;
  if (!(await hasAll(ask, kind, end, since.gtid))) return gap(`another server answers now, and it lacks some of ${since.gtid}`);
  for (const { name } of files.toReversed()) {
    if (await isBefore(ask, kind, name, since.gtid)) return { file: name, position: 4 };
  }
  return gap(`another server answers now, and its oldest log file ${files[0]?.name} begins after ${since.gtid}: older ones were purged`);
}

async function hasAll(ask: Ask, kind: Server['kind'], end: LogMark, gtid: string): Promise<boolean> {
  if (kind === 'MySQL') return isTrue(ask, `GTID_SUBSET(${literal(gtid)}, @@GLOBAL.gtid_executed)`);
  return isUpTo(gtid, end.gtid ?? '');
}

/** Whether all that lies before the file is in `gtid`. */
async function isBefore(ask: Ask, kind: Server['kind'], file: string, gtid: string): Promise<boolean> {
  if (kind === 'MariaDB') {
    const here = await gtidAt(ask, `${file}:4`);
    return here !== undefined && isUpTo(here, gtid);
  }
  const rows = await ask(`SHOW BINLOG EVENTS IN '${plainName(file)}' LIMIT 2`);
  const before = rows.find((row) => row['Event_type'] === 'Previous_gtids');
  return before !== undefined && isTrue(ask, `GTID_SUBSET(${literal(String(before['Info']).replace(/\s/g, ''))}, ${literal(gtid)})`);
}

/** Of MariaDB's positions: whether each domain of `one` has come no further than in `other`, on the same way where they meet. */
function isUpTo(one: string, other: string): boolean {
  return one
    .split(',')
    .filter(Boolean)
    .every((text) => {
      const of = text.split('-')[0]!;
      const [mine, theirs] = [entryOf(text, of), entryOf(other, of)];
      if (!mine || !theirs || mine.number > theirs.number) return false;
      return mine.number < theirs.number || mine.server === theirs.server;
    });
}

async function isTrue(ask: Ask, expression: string): Promise<boolean> {
  return Number((await ask(`SELECT ${expression} AS yes`))[0]?.['yes']) === 1;
}

/** A text as SQL takes it in every mode: by its bytes. */
const literal = (text: string): string => `CONVERT(X'${Buffer.from(text).toString('hex')}' USING utf8mb4)`;

/** SHOW takes no expression. Log files are named by the administrator; one with such characters is not looked into. */
function plainName(file: string): string {
  return /^[\w.@-]+$/.test(file) ? file : '';
}
