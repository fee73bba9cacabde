// Lists: filters to a query, pages to one answer, items to a table.
import type { Page } from '../rpc/schemas-common.ts';
import { formatCount } from './format.ts';
import { parseCount } from './parse.ts';
import type { Session } from './session.ts';
import type { Column } from './table.ts';
import type { ListOptions } from './verb.ts';

const largestPage = 1000;
const usual = 100;

export interface PageQuery {
  readonly id?: string;
  readonly name?: string;
  readonly from?: string;
  readonly to?: string;
  readonly cursor?: string;
  readonly limit: number;
}

/** Asks page after page until there is nothing left or `--limit` is reached; the first page's total counts. */
export async function readPages<T>(options: ListOptions, ask: (query: PageQuery) => Promise<Page<T>>): Promise<Page<T>> {
  const { id, name, from, to } = options;
  const wanted = parseCount(options.limit ?? String(usual)) || Number.POSITIVE_INFINITY;
  const filters = { ...(id && { id }), ...(name && { name }), ...(from && { from }), ...(to && { to }) };
  const items: T[] = [];
  let cursor: string | null = options.cursor ?? null;
  for (;;) {
    const limit = Math.min(largestPage, wanted - items.length);
    const page: Page<T> = await ask({ ...filters, ...(cursor !== null && { cursor }), limit });
    items.push(...page.items);
    cursor = page.nextCursor;
    if (cursor === null || items.length >= wanted) return { items, total: page.total, nextCursor: cursor };
  }
}

/** `empty` says what to do when there is nothing yet. */
export async function printList<T>(session: Session, page: Page<T>, columns: (items: readonly T[]) => readonly Column<T>[], empty: string) {
  if (session.json) return session.printJson(page);
  if (page.items.length === 0) return session.remark(`${empty}\n`);
  const { tableText } = await import('./table.ts');
  session.print(tableText(columns(page.items), page.items, session.terminal));
  if (page.nextCursor !== null)
    session.remark(`\n${formatCount(page.items.length)} of ${formatCount(page.total)} shown; --limit 0 shows all\n`);
}
