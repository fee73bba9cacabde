// The databases of a restore beside the real ones: named so that everybody sees whose they are, and that a later restore can tell whether
// somebody still works in them.
import type { Warn } from '../../../ports/source.ts';
import type { Ask } from '../session.ts';
import type { MysqlSettings } from '../settings.ts';
import { type LongSession, openLong } from './long-session.ts';
import { quoteName, quoteText } from './sql.ts';

const stagedPrefix = 'stillpoint_restore_';
const asidePrefix = 'stillpoint_before_';

export interface Staging {
  /** Held by the session, so that it ends with it. */
  take(ask: Ask): Promise<void>;
  staged(index: number): string;
  /** What went aside is not to be removed. */
  aside(index: number): string;
  keepAside(): void;
  /** Whether this database is to be removed at the end. */
  isOwn(database: string): boolean;
  readonly asideKept: boolean;
}

const lockOf = (id: string): string => quoteText(`stillpoint.restore.${id}`);

export function staging(id: string): Staging {
  let kept = false;
  return {
    take: async (ask) => {
      await ask(`SELECT GET_LOCK(${lockOf(id)}, 0)`);
    },
    staged: (index) => `${stagedPrefix}${id}_${index}`,
    aside: (index) => `${asidePrefix}${id}_${index}`,
    keepAside: () => {
      kept = true;
    },
    isOwn: (database) => database.startsWith(`${stagedPrefix}${id}_`) || (!kept && database.startsWith(`${asidePrefix}${id}_`)),
    get asideKept() {
      return kept;
    },
  };
}

const databasesOf = async (ask: Ask): Promise<string[]> => (await ask('SHOW DATABASES')).map((row) => String(Object.values(row)[0]));

/** Removes what restores left that died while they loaded; of what was put aside by one that died while it switched it only tells. */
export async function removeLeftovers(ask: Ask, warn: Warn): Promise<void> {
  for (const name of await databasesOf(ask)) {
    const id = /^stillpoint_restore_([0-9a-f]{8})_\d+$/.exec(name)?.[1];
    if (id !== undefined && (await isFree(ask, id))) await drop(ask, name);
    if (name.startsWith(asidePrefix))
      warn({ item: name, detail: 'an interrupted restore put these tables aside; drop the database when nobody misses them' });
  }
}

const isFree = async (ask: Ask, id: string): Promise<boolean> =>
  Number((await ask(`SELECT IS_FREE_LOCK(${lockOf(id)}) AS free`))[0]?.['free']) === 1;

async function drop(ask: Ask, name: string): Promise<void> {
  await ask('SET SESSION foreign_key_checks = 0');
  await ask(`DROP DATABASE IF EXISTS ${quoteName(name)}`);
}

/** Milliseconds for a server that may be on its way up again. */
const patience = 60_000;

/** Never throws: what is left is told, and the next restore removes it. */
export async function cleanUp(names: Staging, settings: MysqlSettings, session: LongSession, warn: Warn): Promise<void> {
  let fresh: LongSession | undefined;
  try {
    if (session.gone()) fresh = await openLong(settings, new AbortController().signal, patience);
    const { ask } = fresh ?? session;
    for (const name of await databasesOf(ask)) if (names.isOwn(name)) await drop(ask, name);
    if (names.asideKept) warn({ item: names.aside(0), detail: 'the tables that were there before lie in databases of this name' });
  } catch (error) {
    const detail = `databases of this name may be left from this restore; the next one removes them: ${(error as Error).message}`;
    warn({ item: names.staged(0), detail });
  } finally {
    fresh?.close();
  }
}
