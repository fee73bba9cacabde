import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { commandTree, leavesOf } from '../../../scripts/dev/command-reference.ts';
import { page, renderErrors } from '../../../scripts/dev/error-reference.ts';
import { type ErrorEntry, errorCodes, exits } from '../../../src/base/error-codes.ts';
import { fullName } from '../../../src/cli/usage.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const entries: readonly (readonly [string, ErrorEntry])[] = Object.entries(errorCodes);

/** Code → its cells, as a reader of the page sees them. */
function rowsOf(text: string): Map<string, readonly string[]> {
  const lines = text.split('\n').filter((line) => /^\| `[A-Z]/.test(line));
  const cells = (line: string) => line.slice(2, -2).split(/(?<!\\) \| /);
  return new Map(lines.map(cells).map(([code = '', ...rest]) => [code.replaceAll('`', ''), rest]));
}

const plain = (cell = ''): string => cell.replaceAll('\\|', '|').replaceAll('&lt;', '<').replaceAll('&gt;', '>');

describe('the page of errors', () => {
  const text = readFileSync(page, 'utf8');

  it('house: lists every code once, and none that is gone', () => {
    const listed = text.split('\n').flatMap((line) => /^\| `([A-Z_0-9]+)`/.exec(line)?.[1] ?? []);
    expect(listed.toSorted()).toEqual(Object.keys(errorCodes).toSorted());
  });

  it('house: says of each code what the program says', () => {
    const rows = rowsOf(text);
    for (const [code, { message, hint, exit, retry }] of entries) {
      const [shown, advice, ...rest] = rows.get(code) ?? [];
      expect([plain(shown), plain(advice), ...rest], code).toEqual([message, hint, String(exit), retry]);
    }
  });

  it('house: is what scripts/dev/error-reference.ts writes', () => {
    expect(text).toBe(renderErrors());
  });

  it('house: would be another page with one code more, less or changed', () => {
    const { INTERNAL, ...others } = errorCodes;
    expect(renderErrors(others)).not.toBe(text);
    expect(renderErrors({ ...errorCodes, AREA_NEW: INTERNAL })).not.toBe(text);
    expect(renderErrors({ ...errorCodes, INTERNAL: { ...INTERNAL, exit: 99 } })).not.toBe(text);
  });
});

describe('the table of errors', () => {
  it('house: holds no code that nothing uses', () => {
    const files = globSync('src/**/*.ts', { cwd: root }).filter((file) => file !== 'src/base/error-codes.ts');
    const source = files.map((file) => readFileSync(`${root}/${file}`, 'utf8')).join('\n');
    // In quotes: a comment that tells what is thrown throws nothing.
    const unused = entries.filter(([code]) => !source.includes(`'${code}'`)).map(([code]) => code);
    expect(unused).toEqual([]);
  });

  it('house: has messages in lower case and hints that are sentences', () => {
    for (const [code, { message, hint }] of entries) {
      expect(message, code).toMatch(/^[a-z{]|^S3\b/);
      expect(message, code).not.toMatch(/\.$/);
      expect(hint, code).toMatch(/[.;]$|^\{/);
    }
  });

  it('house: has hints that name only commands and options that there are', async () => {
    const leaves = leavesOf(await commandTree());
    const commands = leaves.map((leaf) => fullName(leaf).split(' ').slice(1));
    const options = new Set(['--help', ...leaves.flatMap((leaf) => leaf.options.map(({ long }) => long))]);
    const known = (noun: string, verb = ''): boolean =>
      commands.some(([first, second]) => first === noun && (second === undefined || second === verb || noun === 'recover'));
    for (const [code, { hint }] of entries) {
      for (const [named, noun = '', verb] of hint.matchAll(/\bagentcli ([a-z]+)(?: ([a-z][a-z-]*))?/g))
        expect(known(noun, verb), `${code}: ${named}`).toBe(true);
      for (const [option] of hint.matchAll(/--[a-z][a-z-]*/g)) expect(options, `${code}: ${option}`).toContain(option);
    }
  });

  it('house: has exit codes of the known kinds only', () => {
    const known: readonly number[] = Object.values(exits);
    for (const [code, { exit }] of entries) expect(known, code).toContain(exit);
  });
});
