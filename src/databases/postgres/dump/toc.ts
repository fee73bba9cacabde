// The table of contents of a dump (pg_restore --list --verbose), and what of it belongs to one table.

export interface TocEntry {
  readonly id: number;
  /** `TABLE`, `FK CONSTRAINT`, … with the schema, the name and the owner, as the list shows them. */
  readonly text: string;
  readonly line: string;
  readonly needs: readonly number[];
}

export function tocOf(list: string): readonly TocEntry[] {
  const entries: { id: number; text: string; line: string; needs: number[] }[] = [];
  for (const line of list.split('\n')) {
    const entry = /^(\d+); \d+ \d+ (.*)$/.exec(line);
    if (entry) entries.push({ id: Number(entry[1]), text: entry[2]!, line, needs: [] });
    const needs = /^;\s+depends on:((?: \d+)+)/.exec(line);
    if (needs) entries.at(-1)?.needs.push(...needs[1]!.trim().split(' ').map(Number));
  }
  return entries;
}

/** The list shows every end of a line as a blank. */
const shown = (text: string): string => text.replace(/[\r\n]/g, ' ');

export const tableText = (schema: string, table: string): string => `TABLE ${shown(schema)} ${shown(table)} `;

/** What is a part of a table, besides itself. Not: views, and other tables' keys that point to it. */
const parts =
  /^(TABLE DATA|SEQUENCE|SEQUENCE OWNED BY|SEQUENCE SET|DEFAULT|CONSTRAINT|FK CONSTRAINT|CHECK CONSTRAINT|INDEX|INDEX ATTACH|STATISTICS|TRIGGER|RULE|POLICY|ROW SECURITY|COMMENT|ACL|SECURITY LABEL) /;

/** A table, and all in the dump that is its own. `schema`, `table`: its names. */
export function entriesOf(toc: readonly TocEntry[], table: TocEntry, schema: string, name: string): readonly TocEntry[] {
  const chosen = new Set([table.id]);
  const foreign = (entry: TocEntry) =>
    entry.text.startsWith('FK CONSTRAINT ') && !entry.text.startsWith(`FK CONSTRAINT ${shown(schema)} ${shown(name)} `);
  for (let grown = true; grown; ) {
    grown = false;
    for (const entry of toc) {
      if (chosen.has(entry.id) || !parts.test(entry.text) || foreign(entry)) continue;
      if (!entry.needs.some((id) => chosen.has(id))) continue;
      chosen.add(entry.id);
      grown = true;
    }
  }
  return toc.filter(({ id }) => chosen.has(id));
}
