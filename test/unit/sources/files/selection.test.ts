import { describe, expect, it } from 'vitest';
import { normalizePaths, type RootNode, rootTree } from '../../../../src/sources/files/roots.ts';
import { type Selection, selectionOf } from '../../../../src/sources/files/selection.ts';

function at(start: Selection, path: string): Selection | undefined {
  let here: Selection | undefined = start;
  for (const name of path.split('/').filter(Boolean)) here = here?.child(Buffer.from(name).toString('latin1'));
  return here;
}

/** w: metadata is restored; c: what the backup does not know may go; -: only led through; undefined: not selected. */
function told(selection: Selection | undefined): string | undefined {
  if (selection === undefined) return undefined;
  return (selection.whole ? 'w' : '') + (selection.complete ? 'c' : '') || '-';
}

describe('what a restore concerns', () => {
  it.each([
    // include, recorded, in place, path, expected
    [[], ['/home/a'], false, '/home', 'w'],
    [[], ['/home/a'], false, '/home/a', 'wc'],
    [[], ['/home/a'], false, '/home/a/x', 'wc'],
    [[], ['/home/a'], true, '/', '-'],
    [[], ['/home/a'], true, '/home', '-'],
    [[], ['/home/a'], true, '/home/a', 'wc'],
    [[], ['/'], true, '/', 'wc'],
    [['/home/a/x'], ['/home/a'], true, '/home/a', '-'],
    [['/home/a/x'], ['/home/a'], true, '/home/a/x', 'wc'],
    [['/home/a/x'], ['/home/a'], true, '/home/a/y', undefined],
    [['/home'], ['/home/a'], true, '/home', 'w'],
    [['/home'], ['/home/a'], true, '/home/a', 'wc'],
    [['/home'], ['/home/a'], true, '/etc', undefined],
    [[], ['C:\\data'], true, '/C/data', 'w'],
    [[], ['/a'], false, '/.stillpoint', undefined],
    [['/.stillpoint/config'], ['/a'], false, '/.stillpoint/config', 'w'],
    [[], ['/a'], false, '/a/.stillpoint', 'wc'],
    [['/ü'], ['/ü'], false, '/ü', 'wc'],
  ] as const)('B8 include %j of a backup of %j, in place %s: %s', (include, recorded, inPlace, path, expected) => {
    expect(told(at(selectionOf(include, recorded, inPlace), path))).toBe(expected);
  });
});

describe('the paths of a backup as one tree', () => {
  const shape = (node: RootNode): unknown =>
    node.whole ? true : Object.fromEntries([...node.children].map(([name, child]) => [name, shape(child)]));

  it('S3 common beginnings are one, and a path covers what lies below it in any order', () => {
    expect(shape(rootTree(['/a/b', '/a/c', '/a/b/d', '/e']))).toEqual({ a: { b: true, c: true }, e: true });
    expect(shape(rootTree(['/a/b/d', '/a/b']))).toEqual({ a: { b: true } });
    expect(shape(rootTree(['/a', '/']))).toBe(true);
  });

  it('S3 paths are made absolute and plain, each once', () => {
    expect(normalizePaths(['/a/', '/a/../b', '//c//d', '/a', '/x/./y'])).toEqual(['/a', '/b', '/c/d', '/x/y']);
  });
});
