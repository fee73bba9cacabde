// Details, states, bars and frames on standard output.
import { type Paint, printable } from './terminal.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a colour begins with
const colours = /\x1b\[[0-9;]*m/g;
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]/gu;

/** Columns that a text takes on a terminal. */
export function shownWidth(text: string): number {
  const bare = text.replace(colours, '').replace(/\p{M}/gu, '');
  return [...bare].length + (bare.match(wide)?.length ?? 0);
}

/** Columns between a label and its value. */
const gap = 2;

/** A value and its label; a row without a value is left out. */
export type Detail = readonly [label: string, value: string | undefined] | undefined;

/** `label  value` lines, aligned; further lines of a value stand below its first. */
export function detailsText(title: string, rows: readonly Detail[], paint: Paint): string {
  const shown = rows.filter((row): row is readonly [string, string] => row?.[1] !== undefined && row[1] !== '');
  const column = Math.max(...shown.map(([label]) => label.length)) + gap;
  const lines = shown.map(([label, value]) => {
    const [first = '', ...more] = value.split('\n');
    return [`  ${paint('dim', label.padEnd(column))}${first}`, ...more.map((line) => `  ${' '.repeat(column)}${line}`)].join('\n');
  });
  return `${title}\n${lines.join('\n')}\n`;
}

const stateColours: Readonly<Record<string, 'green' | 'yellow' | 'red' | 'cyan' | 'dim'>> = {
  online: 'green',
  available: 'green',
  done: 'green',
  warnings: 'yellow',
  queued: 'dim',
  creating: 'cyan',
  restoring: 'cyan',
  running: 'cyan',
  deleting: 'yellow',
  locked: 'yellow',
  cancelled: 'yellow',
  offline: 'red',
  error: 'red',
  failed: 'red',
  died: 'red',
};

export function stateText(state: string, paint: Paint): string {
  const colour = stateColours[state];
  return colour ? paint(colour, state) : state;
}

/** `██████░░░░` for a share between 0 and 1. */
export function barText(share: number, cells: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * cells);
  return '█'.repeat(full) + '░'.repeat(cells - full);
}

/** A text in a frame that cannot be overlooked. */
export function boxText(lines: readonly string[], paint: Paint): string {
  const width = Math.max(...lines.map(shownWidth));
  const edge = (text: string) => paint('yellow', text);
  const body = lines.map((line) => `${edge('│')} ${line}${' '.repeat(width - shownWidth(line))} ${edge('│')}`);
  return `${[edge(`╭${'─'.repeat(width + 2)}╮`), ...body, edge(`╰${'─'.repeat(width + 2)}╯`)].join('\n')}\n`;
}

/** A name as it may be shown; `-` where there is none. */
export function nameText(name: string | null | undefined): string {
  return name ? printable(name) : '-';
}
