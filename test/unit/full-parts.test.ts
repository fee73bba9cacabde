// Tests with a large size are run by test.sh --full: by name, so none may be forgotten.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const large = /STILLPOINT_FULL|\bimport [^;]*\bfull\b[^;]* from '\.\.\/beds\/(task-runner|fault-home)\.ts'/;

it('house: every test that has a large size is in the list of test.sh --full', () => {
  const listed = readFileSync(join(root, 'scripts/dev/full-parts.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const found = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && name !== 'unit/full-parts.test.ts')
    .filter((name) => large.test(readFileSync(join(root, 'test', name), 'utf8')))
    .map((name) => `test/${name}`);
  expect(found.toSorted()).toEqual(listed);
});
