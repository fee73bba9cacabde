import { describe, expect, it } from 'vitest';
import { compileExcludes } from '../../../../src/sources/files/patterns.ts';

const excluded = (patterns: readonly string[], path: string) => compileExcludes(patterns)?.(path) ?? false;

describe('exclude patterns', () => {
  // Pairs after restic's own documentation and tests of --exclude (internal/filter/filter_test.go states the same rules).
  it.each([
    ['*.o', '/a/b/x.o', true],
    ['*.o', '/a/x.o/below', true],
    ['*.o', '/a/x.oo', false],
    ['*.o', '/.o', true],
    ['foo', '/home/foo', true],
    ['foo', '/home/food', false],
    ['foo/', '/home/foo', true],
    ['foo/bar', '/x/foo/bar', true],
    ['foo/bar', '/x/foo/y/bar', false],
    ['foo/bar', '/foo/bar/deep', true],
    ['/foo', '/foo/x', true],
    ['/foo', '/x/foo', false],
    ['/home/*/tmp', '/home/user/tmp', true],
    ['/home/*/tmp', '/home/a/b/tmp', false],
    ['/home/**/tmp', '/home/a/b/tmp', true],
    ['/home/**/tmp', '/home/tmp', true],
    ['foo/**', '/x/foo/a/b', true],
    ['foo/**/bar', '/x/foo/1/2/3/bar', true],
    ['**/cache/*', '/a/cache/x', true],
    ['**/cache/*', '/a/cache', false],
    ['?', '/a/b', true],
    ['a?c', '/aéc', true],
    ['a?c', '/a/c', false],
    ['[ab]x', '/bx', true],
    ['[^ab]x', '/bx', false],
    ['[!ab]x', '/cx', true],
    ['[a-c]x', '/cx', true],
    ['[a\\-c]x', '/bx', false],
    ['[]x', '/x', 'USAGE'],
    ['[ab', '/x', 'USAGE'],
    ['a\\', '/x', 'USAGE'],
    ['\\*', '/*', true],
    ['\\*', '/a', false],
    ['a.b', '/axb', false],
    ['(a|b)+$', '/(a|b)+$', true],
    ['A', '/a', false],
    ['a*c', '/a\nc', true],
    ['/', '/anything', true],
  ] as const)('S3 %s against %s', (pattern, path, expected) => {
    if (expected === 'USAGE') expect(() => excluded([pattern], path)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    else expect(excluded([pattern], path)).toBe(expected);
  });

  it('S3 the last pattern that matches counts', () => {
    const patterns = ['*.log', '!keep.log', '/secret/**'];
    expect(excluded(patterns, '/a/x.log')).toBe(true);
    expect(excluded(patterns, '/a/keep.log')).toBe(false);
    expect(excluded(patterns, '/secret/keep.log')).toBe(true);
    expect(excluded(['!a', 'a'], '/a')).toBe(true);
    expect(excluded(['/home/**/*', '!/home/docs'], '/home/docs/deep/file')).toBe(false);
    expect(excluded(['/home/**/*', '!/home/docs'], '/home/other')).toBe(true);
  });

  it('S3 no patterns cost nothing, an empty one is refused', () => {
    expect(compileExcludes([])).toBeUndefined();
    expect(() => compileExcludes([''])).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
