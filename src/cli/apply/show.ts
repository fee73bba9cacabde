// What is done, or would be: one line a thing, and below it one line for each field that changes.
import type { Terminal } from '../terminal.ts';
import { printable } from '../terminal.ts';
import { sideText } from './change.ts';
import type { Step } from './step.ts';

const colours = { created: 'green', changed: 'yellow', unchanged: 'dim', removed: 'red' } as const;

export function stepsText(steps: readonly Step[], dryRun: boolean, { paint }: Pick<Terminal, 'paint'>): string {
  const head = [dryRun ? 'WOULD BE' : 'DONE', 'KIND', 'NAME'] as const;
  const rows = steps.map(({ action, kind, name }) => [action, kind, printable(name)] as const);
  const widths = head.map((title, i) => Math.max(...[title, ...rows.map((row) => row[i]!)].map(({ length }) => length)));
  const pad = (text: string, i: number) => text.padEnd(widths[i]! + 2);
  const lines = steps.map(({ action, changes }, s) => {
    const [, kind, name] = rows[s]!;
    const line = `${paint(colours[action], pad(action, 0))}${pad(kind, 1)}${paint('bold', name)}\n`;
    const fields = changes.map(({ field, before, after }) => {
      const [old, next] = [before, after].map((value) => printable(sideText(field, value)));
      return `    ${field}: ${paint('red', old!)} → ${paint('green', next!)}\n`;
    });
    return line + fields.join('');
  });
  return `${paint('dim', head.map(pad).join('').trimEnd())}\n${lines.join('')}`;
}
