// What a server says of itself.
import type { Session } from './session.ts';

export type Info = Readonly<Record<string, string>>;

/** Throws DATABASE_… errors. */
export async function readInfo(session: Session, section?: string): Promise<Info> {
  const text = String(await session.ask('INFO', ...(section === undefined ? [] : [section])));
  const pairs = text.split('\r\n').flatMap((line) => {
    const at = line.indexOf(':');
    return at < 1 || line.startsWith('#') ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
  });
  return Object.fromEntries(pairs);
}

/** How many databases it may have; undefined where this account may not ask. */
export async function databasesOf(session: Session): Promise<number | undefined> {
  try {
    const [, count] = (await session.ask('CONFIG', 'GET', 'databases')) as Buffer[];
    return count === undefined ? undefined : Number(String(count));
  } catch {
    return undefined;
  }
}

/** The newest version of RDB that a server takes; values are written accordingly. */
export function rdbVersionOf(server: string): number {
  const [major = 0, minor = 0] = server.split('.').map(Number);
  if (major > 7) return Number.POSITIVE_INFINITY;
  if (major < 7) return 9;
  return minor >= 4 ? 12 : minor >= 2 ? 11 : 10;
}
