// mariadb-backup and Percona's xtrabackup: two names for much the same tool, each for its own server.
import { fail } from '../../../base/errors.ts';
import { startProgram } from '../../../base/program.ts';
import { label, type Server } from '../server.ts';

export interface BackupTool {
  readonly name: 'mariadb-backup' | 'xtrabackup';
  /** Of the server that it was made from: `10.11.19`. */
  readonly version: string;
  readonly package: string;
}

const series = (version: string): string => version.split('.').slice(0, 2).join('.');

/** The one for a server of this kind and version, if it is installed here. Throws TOOL_MISSING, TOOL_VERSION, TOOL_FAILED. */
export async function toolFor(server: Pick<Server, 'kind' | 'version'>): Promise<BackupTool> {
  const maria = server.kind === 'MariaDB';
  const name = maria ? 'mariadb-backup' : 'xtrabackup';
  const debian = maria ? 'mariadb-backup' : `percona-xtrabackup-${series(server.version).replace('.', '')}`;
  const program = startProgram([name, '--version'], { package: debian, explain });
  let text = '';
  for await (const piece of program.output) text += piece.toString('utf8');
  await program.ended;
  const version = /based on (?:MariaDB|MySQL) server (\d+\.\d+\.\d+)/.exec(text + program.said())?.[1];
  if (version === undefined) return fail('TOOL_FAILED', { tool: name, detail: 'it does not tell its version' });
  if (series(version) !== series(server.version))
    fail('TOOL_VERSION', { tool: name, have: version, server: label(server as Server), package: debian });
  return { name, version, package: debian };
}

const trouble = /error|fatal|fail|denied|cannot|can't|lost connection|missing|unknown|no space/i;
/** It prints grants, with hashes of passwords in them, where one is missing. */
const hushed = /GRANT|IDENTIFIED/;

/** What went wrong, from what it said last: of its log the last line that tells of trouble, without numbers and times in front. */
export function explain(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '' && !hushed.test(line));
  const line = lines.findLast((one) => trouble.test(one)) ?? lines.at(-1) ?? 'it said nothing';
  return line
    .replace(/^(\[\d+\] )?(FATAL ERROR: )?(\d{4}-\d\d-\d\d[T ]+[\d:.]+Z? )?/, '')
    .trim()
    .slice(0, 500);
}

/** The last line of a run that ended well; the exit code alone does not tell. */
export const saidDone = (said: string): boolean => /completed OK!\s*$/.test(said);
