// Tables on standard output.
import Table from 'cli-table3';
import { shownWidth } from './print.ts';
import type { Paint, Terminal } from './terminal.ts';

export interface Column<T> {
  readonly title: string;
  readonly value: (item: T, paint: Paint) => string;
  readonly align?: 'right';
  /** Gives way when the terminal is too narrow; at most one column does. */
  readonly flexible?: boolean;
}

const gap = 2;
const none = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
};
const noBorders = { ...none, left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: ' '.repeat(gap) };
const leastFlexible = 10;

/** Lines of a table without borders, its head dimmed, no wider than the terminal if one column can give way. */
export function tableText<T>(columns: readonly Column<T>[], items: readonly T[], terminal: Pick<Terminal, 'width' | 'paint'>): string {
  const { paint, width } = terminal;
  const rows = items.map((item) => columns.map((column) => column.value(item, paint)));
  const widths = columns.map((column, i) => Math.max(...[column.title, ...rows.map((row) => row[i] ?? '')].map(shownWidth), 1));
  const excess = widths.reduce((sum, each) => sum + each + gap, -gap) - width;
  const flexible = columns.findIndex((column) => column.flexible);
  const narrow = excess > 0 && Math.max(leastFlexible, (widths[flexible] ?? 0) - excess);
  const table = new Table({
    chars: noBorders,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colWidths: columns.map((_, i) => (narrow && i === flexible ? narrow : null)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    head: columns.map((column) => paint('dim', column.title)),
  });
  table.push(...rows);
  return `${table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`;
}
