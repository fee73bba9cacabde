// One run of the engine's dump: the rows of all tables as they were at one moment, and where the binary log stood then.
import { randomBytes } from 'node:crypto';
import { StillpointError } from '../../../base/errors.ts';
import { type Program, startProgram } from '../../../base/program.ts';
import { label, type Server } from '../server.ts';
import type { MysqlSettings } from '../settings.ts';
import type { DumpTables } from './choice.ts';
import { everyRow, type Split, splitDump } from './split.ts';
import { type Option, optionFile, type Tool, toolTrouble } from './tool.ts';

export interface Dump extends Split {
  /** Resolves when it ended well. Throws TOOL_FAILED, DATABASE_… */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export interface DumpOptions {
  readonly tool: Tool;
  readonly server: Server;
  readonly settings: MysqlSettings;
  readonly tables: DumpTables;
  /** Nobody writes anything until it has ended; else one transaction. */
  readonly lockAll: boolean;
  readonly scratch: string;
}

export function startDump({ tool, server, settings, tables: { tables, left }, lockAll, scratch }: DumpOptions): Dump {
  const nonce = randomBytes(16).toString('hex');
  const names = [...new Set(tables.map(({ database }) => database))];
  const ignored = left.filter(({ database }) => names.includes(database));
  const options: Option[] = [
    ...dumpOptions(server),
    ...(lockAll ? [['lock-all-tables'] as Option] : [['single-transaction'] as Option, ['skip-lock-tables'] as Option]),
    ['where', everyRow(nonce)],
    ...ignored.map(({ database, table }): Option => ['ignore-table', `${database}.${table}`]),
  ];
  const file = optionFile(settings, server, options, scratch);
  const argv = [tool.name, `--defaults-file=${file.path}`, '--databases', '--', ...names];
  const program = startProgram(argv, { package: tool.package });
  const trouble = (error: unknown) => (error instanceof StillpointError ? toolTrouble(error, settings, server) : error);
  const ended = program.ended.catch((error: unknown) => {
    throw trouble(error);
  });
  ended.catch(() => undefined).finally(file.remove);
  const split = splitDump(unlinked(program, file.remove), nonce, tables, label(server));
  return { ...split, ended, close: () => program.kill() };
}

/** By the time that it says anything it has logged in: nobody needs the file of the password any longer. */
async function* unlinked(program: Program, remove: () => void): AsyncGenerator<Buffer> {
  let first = true;
  for await (const piece of program.output) {
    if (first) remove();
    first = false;
    yield piece;
  }
}

/**
 * Rows only, one transaction, UTF-8, binary columns in hexadecimal, times in UTC: what stands in a file then depends on nothing but the rows.
 * PROCESS is not needed, nor RELOAD with MariaDB, whose snapshot knows its own place in the log.
 */
function dumpOptions(server: Server): readonly Option[] {
  const all: Option[] = [
    ['no-create-info'],
    ['no-create-db'],
    ['skip-triggers'],
    ['skip-add-locks'],
    ['skip-disable-keys'],
    ['extended-insert'],
    ['hex-blob'],
    ['quick'],
    ['tz-utc'],
    ['comments'],
    ['quote-names'],
    ['no-tablespaces'],
    ['default-character-set', 'utf8mb4'],
    ['max-allowed-packet', 1 << 30],
    ['net-buffer-length', 1 << 20],
  ];
  if (server.kind === 'MariaDB') return server.binaryLog ? [...all, ['master-data', 2]] : all;
  const log: Option[] = server.binaryLog
    ? [
        ['source-data', 2],
        ['set-gtid-purged', 'COMMENTED'],
      ]
    : [['set-gtid-purged', 'OFF']];
  return [...all, ['column-statistics', 0], ...log];
}
