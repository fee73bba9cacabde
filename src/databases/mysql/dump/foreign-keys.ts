// Foreign keys that look into another database because a table was renamed, turned back to where they belong.
import type { Ask } from '../session.ts';
import { quoteName, quoteText } from './sql.ts';

export interface Repointed {
  readonly forth: readonly string[];
  readonly back: readonly string[];
}

/** Keys of tables that look at `from`, and shall look at `to`; those of tables in `own` (databases) stay as they are. Checks are to be off. */
export async function repointed(ask: Ask, from: string, to: string, own: ReadonlySet<string>): Promise<readonly Repointed[]> {
  const rows = await ask(`SELECT DISTINCT CONSTRAINT_SCHEMA AS place, TABLE_NAME AS name FROM information_schema.REFERENTIAL_CONSTRAINTS
    WHERE UNIQUE_CONSTRAINT_SCHEMA = ${quoteText(from)}`);
  const found: Repointed[] = [];
  for (const { place, name } of rows) {
    if (own.has(String(place))) continue;
    const table = `${quoteName(String(place))}.${quoteName(String(name))}`;
    const text = String((await ask(`SHOW CREATE TABLE ${table}`))[0]?.['Create Table']);
    for (const line of text.split(/,?\n/)) {
      const key = /^ {2}CONSTRAINT (`(?:[^`]|``)*`) FOREIGN KEY /.exec(line)?.[1];
      const there = ` REFERENCES ${quoteName(from)}.`;
      if (key === undefined || !line.includes(there)) continue;
      const drop = `ALTER TABLE ${table} DROP FOREIGN KEY ${key}`;
      const add = (definition: string) => `ALTER TABLE ${table} ADD ${definition.trim()}`;
      found.push({ forth: [drop, add(line.replace(there, () => ` REFERENCES ${quoteName(to)}.`))], back: [drop, add(line)] });
    }
  }
  return found;
}
