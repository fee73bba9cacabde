// PostgreSQL's own programs: which of those installed fits a server, and how they log in.
import { randomUUID } from 'node:crypto';
import { accessSync, closeSync, constants, openSync, readdirSync, unlinkSync, writeSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fail, failure, isCode } from '../../base/errors.ts';
import { outputOf, type Program, startProgram } from '../../base/program.ts';
import { database } from './failures.ts';
import type { Access } from './settings.ts';

export interface Tool {
  readonly path: string;
  readonly major: number;
}

export interface Wanted {
  readonly name: string;
  /** Of the server. */
  readonly major: number;
  /** `equal`: programs of the server itself. `newer`: clients, which know older servers too. */
  readonly fit: 'equal' | 'newer';
}

/** Debian's folders and those of the project's own packages; the versions side by side. */
const roots = [
  { root: '/usr/lib/postgresql', below: /^(\d+)$/, bin: 'bin' },
  { root: '/usr', below: /^pgsql-(\d+)$/, bin: 'bin' },
] as const;

/** The nearest version that fits: the server's own, else the next newer one. Throws TOOL_MISSING, TOOL_VERSION. */
export async function findTool({ name, major, fit }: Wanted, folders: readonly string[] = toolFolders()): Promise<Tool> {
  const server = name === 'postgres' || name === 'initdb' || name === 'pg_verifybackup';
  const needed = `postgresql-${server ? '' : 'client-'}${major}`;
  const found: Tool[] = [];
  for (const folder of folders) {
    const path = join(folder, name);
    if (!isExecutable(path)) continue;
    const have = Number(/\) (\d+)/.exec(await outputOf([path, '--version'], { package: needed }))?.[1] ?? 0);
    if (have === major) return { path, major };
    found.push({ path, major: have });
  }
  const newer = found.filter((tool) => tool.major > major).sort((a, b) => a.major - b.major)[0];
  if (fit === 'newer' && newer) return newer;
  const [any] = found;
  if (!any) return fail('TOOL_MISSING', { tool: name, package: needed });
  return fail('TOOL_VERSION', { tool: name, have: any.major, server: `PostgreSQL ${major}`, package: needed });
}

function toolFolders(): string[] {
  const own = roots.flatMap(({ root, below, bin }) => {
    try {
      const names = readdirSync(root).filter((name) => below.test(name));
      return names.map((name) => join(root, name, bin));
    } catch {
      return [];
    }
  });
  return [...own, ...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'))];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Starts a client program that logs in by `access`. No secret is on its command line, in its environment, or in a file with a name. */
export function startClient(
  tool: Tool,
  args: readonly string[],
  access: Access,
  { scratch, input = false }: { readonly scratch: () => string; readonly input?: boolean },
): Program {
  const passwords = passwordFile(scratch(), access.password);
  try {
    return startProgram([tool.path, '--no-password', ...args], {
      package: `postgresql-client-${tool.major}`,
      input,
      descriptors: [passwords],
      explain: reason,
      environment: {
        PGHOST: access.host,
        PGPORT: String(access.port),
        PGUSER: access.user,
        PGPASSFILE: '/proc/self/fd/3',
        PGSSLMODE: access.ca === '' ? 'disable' : 'verify-full',
        ...(access.ca !== '' && { PGSSLROOTCERT: access.ca }),
        PGGSSENCMODE: 'disable',
        PGCONNECT_TIMEOUT: '30',
        PGAPPNAME: 'stillpoint',
        PGTZ: 'UTC',
      },
    });
  } finally {
    closeSync(passwords);
  }
}

/** Open, and nameless: whoever is given the descriptor can read it, and nothing is left behind. Throws USAGE. */
function passwordFile(folder: string, password: string): number {
  if (/[\r\n\0]/.test(password)) fail('USAGE', { detail: 'the password of PostgreSQL must not hold an end of line' });
  const path = join(folder, randomUUID());
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  if (password !== '') writeSync(fd, `*:*:*:*:${password.replace(/[\\:]/g, '\\$&')}\n`);
  return fd;
}

/** The first complaint: what follows it are its consequences, and the statement's text. */
function reason(said: string): string {
  const lines = said.split('\n').map((line) => line.trim());
  const line = lines.find((one) => /\b(error|fatal|panic):/i.test(one)) ?? lines.findLast((one) => one !== '') ?? 'it said nothing';
  return line.slice(0, 500);
}

/** What a client program failed with, as the error that says what to do; others as they are. */
export function clientFailure(error: unknown, said: string, access: Access): unknown {
  if (!isCode(error, 'TOOL_FAILED')) return error;
  const { user, address } = access;
  const detail = reason(said);
  const cause = { cause: error };
  if (/permission denied|must be (owner|superuser)|row-level security/i.test(said)) {
    return failure('DATABASE_GRANTS', { user, database, missing: detail, statement: grantAll(user) }, cause);
  }
  if (/authentication failed|no password supplied|no pg_hba\.conf entry/i.test(said))
    return failure('DATABASE_LOGIN', { database, user, detail }, cause);
  if (/lock timeout|too many clients/i.test(said)) return failure('DATABASE_BUSY', { database, detail }, cause);
  if (/connection to server .* failed|server closed the connection|terminating connection|no connection to the server/i.test(said)) {
    return failure('DATABASE_DOWN', { database, address, detail }, cause);
  }
  return error;
}

/** For people: what lets an account read all that a dump holds. */
export const grantAll = (user: string): string =>
  `GRANT pg_read_all_data TO "${user}" (14 and later); tables with row security: ALTER ROLE "${user}" BYPASSRLS; large objects of others: ALTER ROLE "${user}" SUPERUSER`;
