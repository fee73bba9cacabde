// What ls, find and diff answer, one object a line, and how it is printed as it comes.
import { formatMode, formatSize, formatTime, plural, shortId } from './format.ts';
import type { Session } from './session.ts';
import { type Paint, printable } from './terminal.ts';

export interface Entry {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly user?: string;
  readonly group?: string;
  readonly size: number;
  /** ISO 8601. */
  readonly mtime: string;
  readonly linkTarget?: string;
}

export interface Found {
  readonly backup: string;
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly mtime: string;
}

export interface Difference {
  readonly path: string;
  /** Added, removed, content, type, metadata only. */
  readonly change: '+' | '-' | 'M' | 'T' | 'U';
  readonly sizeBefore?: number;
  readonly sizeAfter?: number;
}

export interface DifferenceSummary {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly bytesAdded: number;
  readonly bytesRemoved: number;
}

const size = (bytes: number) => formatSize(bytes).padStart(9);

export function entryLine(entry: Entry, long: boolean, paint: Paint): string {
  const directory = entry.type === 'dir';
  const path = directory ? `${paint('cyan', printable(entry.path))}${entry.path.endsWith('/') ? '' : '/'}` : printable(entry.path);
  const name = entry.linkTarget === undefined ? path : `${path} ${paint('dim', '→')} ${printable(entry.linkTarget)}`;
  if (!long) return name;
  const owner = printable(entry.user || String(entry.uid)).padEnd(8);
  const group = printable(entry.group || String(entry.gid)).padEnd(8);
  return `${formatMode(entry.type, entry.mode)}  ${owner} ${group} ${size(entry.size)}  ${formatTime(Date.parse(entry.mtime))}  ${name}`;
}

export function foundLine(found: Found, paint: Paint): string {
  return `${paint('cyan', shortId(found.backup))}  ${size(found.size)}  ${formatTime(Date.parse(found.mtime))}  ${printable(found.path)}`;
}

const changeColours = { '+': 'green', '-': 'red', M: 'yellow', T: 'yellow', U: 'dim' } as const;

export function differenceLine({ change, path, sizeBefore, sizeAfter }: Difference, paint: Paint): string {
  const sizes =
    sizeBefore !== undefined && sizeAfter !== undefined && sizeBefore !== sizeAfter
      ? `${formatSize(sizeBefore)} → ${formatSize(sizeAfter)}`
      : '';
  const only = sizeBefore === undefined || sizeAfter === undefined ? formatSize(sizeAfter ?? sizeBefore ?? 0) : '';
  return `${paint(changeColours[change] ?? 'dim', change)}  ${printable(path)}  ${paint('dim', sizes || only)}`.trimEnd();
}

export function summaryLine(summary: DifferenceSummary): string {
  const { added, removed, changed, bytesAdded, bytesRemoved } = summary;
  return `${plural(added, 'entry').replace('entrys', 'entries')} added (${formatSize(bytesAdded)}), ${removed} removed (${formatSize(bytesRemoved)}), ${changed} changed`;
}

/**
 * Prints lines as they come. With --json one `{ items, total, nextCursor }`, an item a line, written piece by piece: a million entries
 * are never held, and what breaks off is not JSON and cannot be mistaken for the whole.
 */
export async function printStream<T>(
  session: Session,
  lines: AsyncIterable<unknown>,
  text: (item: T) => string,
  summaryText?: (summary: never) => string,
): Promise<number> {
  let total = 0;
  let summary: unknown;
  if (session.json) session.print('{"items":[');
  for await (const line of lines) {
    if (summaryText && (line as { summary?: unknown }).summary !== undefined) {
      summary = (line as { summary: unknown }).summary;
      continue;
    }
    session.print(session.json ? `${total > 0 ? ',' : ''}\n${JSON.stringify(line)}` : `${text(line as T)}\n`);
    total += 1;
  }
  const extra = summary === undefined ? '' : `,"summary":${JSON.stringify(summary)}`;
  if (session.json) session.print(`\n],"total":${total},"nextCursor":null${extra}}\n`);
  else if (summary !== undefined && summaryText) session.print(`${summaryText(summary as never)}\n`);
  return total;
}
