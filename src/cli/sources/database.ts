// What the options of all database servers have in common.
import type { ServerAddress } from '../../model/service.ts';
import { absolutePath, collect, parseCount } from '../parse.ts';
import { printable, printableLines } from '../terminal.ts';
import { type Asking, grouped, type Row, type SourceOptions } from './kind.ts';

const heading = 'Database server:';
const option = grouped(heading);

export const addressOptions = [
  option('--host <name>', 'its address; this host if not given'),
  option('--port <n>', 'its usual one if not given').argParser(parseCount),
  option('--socket <path>', 'its socket instead (PostgreSQL: the directory of the socket)').argParser(absolutePath),
  option('--user <name>', 'as whom to log in'),
  option('--password-file <file>', 'its first line is the password; else STILLPOINT_DATABASE_PASSWORD, else a question'),
  option('--server-ca <file>', 'certificates by which the server must prove itself (PEM); the line is encrypted').argParser(absolutePath),
];

export const databaseOptions = [
  ...addressOptions,
  option('--database <name>', 'only this database; may be repeated').argParser(collect),
  option('--table <database.table>', 'only this table; may be repeated').argParser(collect),
  option('--base <plan>', 'method incremental: the plan whose backups the log continues'),
];

export const addressTakes = ['method', 'host', 'port', 'socket', 'user', 'passwordFile', 'serverCa'] as const;

/** What is named replaces the address as a whole, so that no socket stays beside a new host; the user stays. */
export async function serverFrom(options: SourceOptions, before: ServerAddress | undefined, asking: Asking): Promise<ServerAddress> {
  const { host, port, socket, user, serverCa } = options;
  if (socket !== undefined && host !== undefined) asking.wrong('--socket excludes --host');
  const moved = host !== undefined || port !== undefined || socket !== undefined;
  const { user: oldUser, ...oldAddress } = before ?? {};
  const ca = serverCa ?? (moved ? undefined : before?.ca);
  const password = await asking.password(options, before !== undefined);
  return {
    ...(moved ? {} : oldAddress),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(socket !== undefined && { socket }),
    ...((user ?? oldUser) !== undefined && { user: user ?? oldUser }),
    ...(ca !== undefined && { ca }),
    ...(password !== undefined && { password }),
  };
}

export function serverText({ socket, host, port, user }: ServerAddress): string {
  const place = socket ?? [host ?? (port === undefined ? 'this host' : '127.0.0.1'), ...(port === undefined ? [] : [port])].join(':');
  return printable(user === undefined ? place : `${user}@${place}`);
}

/** `app.orders`: all before the first dot is the database. */
export function tableOf(text: string, wrong: Asking['wrong']): { database: string; table: string } {
  const at = text.indexOf('.');
  if (at < 1 || at === text.length - 1) wrong(`--table takes DATABASE.TABLE, not ${text}`);
  return { database: text.slice(0, at), table: text.slice(at + 1) };
}

export const tableText = ({ database, table }: { readonly database: string; readonly table: string }): string => `${database}.${table}`;

/** The method that is named, if it is one of them. */
export function methodFrom<M extends string>(method: string | undefined, known: readonly M[], wrong: Asking['wrong']): { method?: M } {
  if (method === undefined) return {};
  const found = known.find((one) => one === method);
  return found ? { method: found } : wrong(`--method is one of ${known.join(', ')}, not ${method}`);
}

export function sqlRows(source: {
  readonly server: ServerAddress;
  readonly databases?: readonly string[];
  readonly tables?: readonly { readonly database: string; readonly table: string }[];
  readonly base?: string;
}): readonly Row[] {
  return [
    ['Server', serverText(source.server)],
    ['Databases', printableLines(source.databases ?? [])],
    ['Tables', printableLines((source.tables ?? []).map(tableText))],
    ['Continues', source.base && `the plan ${source.base}`],
  ];
}
