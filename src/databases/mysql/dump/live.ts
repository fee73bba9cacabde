// What the server has already where a backup is to go.
import type { Ask } from '../session.ts';
import type { StoredDatabase } from './catalogue.ts';
import { type Relation, relationsOf } from './objects.ts';
import { quoteText } from './sql.ts';

export interface Live {
  /** The database is there. */
  readonly there: boolean;
  readonly relations: ReadonlyMap<string, Relation['kind']>;
  /** `procedure name`, `event name` … */
  readonly programs: ReadonlySet<string>;
}

const nothing: Live = { there: false, relations: new Map(), programs: new Set() };

export const programKey = (kind: string, name: string): string => `${kind} ${name.toLowerCase()}`;

export async function liveDatabase(ask: Ask, name: string): Promise<Live> {
  const there = (await ask('SHOW DATABASES')).some((row) => String(Object.values(row)[0]) === name);
  if (!there) return nothing;
  const programs = await ask(`SELECT LOWER(REPLACE(ROUTINE_TYPE, ' ', '-')) AS kind, ROUTINE_NAME AS name FROM information_schema.ROUTINES
    WHERE ROUTINE_SCHEMA = ${quoteText(name)} UNION ALL
    SELECT 'event', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ${quoteText(name)}`);
  return {
    there,
    relations: new Map((await relationsOf(ask, name)).map((one) => [one.name, one.kind])),
    programs: new Set(programs.map((row) => programKey(String(row['kind']), String(row['name'])))),
  };
}

/** Of the backup's objects those that would take the place of something; of a whole database anything that is in the other. */
export function inTheWay({ objects, whole, target }: StoredDatabase, live: Live): readonly string[] {
  const own = objects.filter(({ kind, name }) => isThere(live, kind, name)).map(({ kind, name }) => `${word(kind)} ${target}.${name}`);
  if (own.length > 0 || !whole || live.relations.size + live.programs.size === 0) return own;
  return [`database ${target}`];
}

export const isThere = (live: Live, kind: string, name: string): boolean =>
  kind === 'data' || kind === 'triggers'
    ? false
    : ['schema', 'view', 'sequence'].includes(kind)
      ? live.relations.has(name)
      : live.programs.has(programKey(kind, name));

export const word = (kind: string): string => (kind === 'schema' ? 'table' : kind.replace('-', ' '));
