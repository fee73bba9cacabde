import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The list that the project was given: how many rows each letter has. */
const counts = { A: 22, S: 11, P: 9, B: 19, M: 8 };
const wanted = Object.entries(counts).flatMap(([letter, count]) => Array.from({ length: count }, (_, i) => `${letter}${i + 1}`));

interface Row {
  readonly id: string;
  readonly title: string;
  readonly state: string;
  readonly note: string;
  readonly tests: readonly string[];
}

const rows = readFileSync(join(root, 'docs/requirements.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| [A-Z]\d+ \|/.test(line))
  .map((line): Row => {
    const [id = '', title = '', state = '', note = '', files = ''] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    return { id, title, state, note, tests: [...files.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file) };
  });

/** What tests and groups of tests are called: the first argument of it, test, describe, or of what each() and its like give. */
function namesIn(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const plain = text.matchAll(/\b(?:it|test|describe)(?:\.\w+)*\(\s*(['"`])(.*?)\1/gs);
  const given = text.matchAll(/\b(?:it|test|describe)\.\w+\([^'"`]*?\)\(\s*(['"`])(.*?)\1/gs);
  const tabled = text.matchAll(/\]\)\(\s*(['"`])(.*?)\1/gs);
  return [...plain, ...given, ...tabled].map(([, , name = '']) => name);
}

describe('the page of requirements', () => {
  it('house: has every row once', () => {
    expect(rows.map(({ id }) => id)).toEqual(wanted);
  });

  it('house: says of every row what it is and how far it is', () => {
    for (const { id, title, state, note } of rows) {
      expect(title, id).not.toBe('');
      expect(['done', 'partly', 'not yet'], id).toContain(state);
      if (state === 'partly') expect(note, `${id}: what is missing`).not.toBe('');
    }
  });

  it('house: calls nothing done that no test proves, and no test a proof of what is not there', () => {
    for (const { id, state, tests } of rows) {
      if (state === 'done') expect(tests, id).not.toEqual([]);
      if (state === 'not yet') expect(tests, id).toEqual([]);
    }
  });

  it.each(rows.filter(({ tests }) => tests.length > 0))('house: the tests of $id exist and bear its name', ({ id, tests }) => {
    for (const file of tests) {
      expect(file).toMatch(/^test\/.+\.test\.ts$/);
      expect(existsSync(join(root, file)), file).toBe(true);
      const named = namesIn(file).filter((name) => new RegExp(`\\b${id}\\b`).test(name));
      expect(named, `${file} has no test named after ${id}`).not.toEqual([]);
    }
  });
});
