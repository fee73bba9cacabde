// mariadb-binlog and mysqlbinlog: two names for much the same tool, each for its own server.
import { fail } from '../../../base/errors.ts';
import { startProgram } from '../../../base/program.ts';
import { label, type Server } from '../server.ts';

export interface LogTools {
  readonly log: string;
  readonly client: string;
  readonly package: string;
}

/** Throws TOOL_MISSING, TOOL_VERSION, TOOL_FAILED. */
export async function logTools(server: Server): Promise<LogTools> {
  if (server.kind === 'MariaDB') return { log: 'mariadb-binlog', client: 'mariadb', package: 'mariadb-client' };
  const tools = { log: 'mysqlbinlog', client: 'mysql', package: 'mysql-client' };
  const program = startProgram([tools.log, '--no-defaults', '--version'], { package: tools.package });
  let text = '';
  for await (const piece of program.output) text += piece.toString('utf8');
  await program.ended;
  // MariaDB's goes by this name too, and does not read all that MySQL writes.
  if (/mariadb|Ver 3\./i.test(text))
    fail('TOOL_VERSION', { tool: tools.log, have: 'of MariaDB', server: label(server), package: tools.package });
  return tools;
}

/** What went wrong, from what a tool said last; it may quote a statement, which is cut short. */
export function explain(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const line = lines.findLast((one) => /^ERROR/.test(one)) ?? lines.at(-1) ?? 'it said nothing';
  return line.trim().slice(0, 300);
}
