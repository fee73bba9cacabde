import { describe, expect, it } from 'vitest';
import { choosePacks } from '../../../src/repository/check-choice.ts';

const names = Array.from({ length: 512 }, (_, i) => (i % 256).toString(16).padStart(2, '0').repeat(32));

describe('which packs a check reads', () => {
  it('B5 none or all', () => {
    expect(choosePacks(names, false)).toEqual([]);
    expect(choosePacks(names, true)).toHaveLength(512);
  });

  it('B5 group n of t goes by the first byte of the name, as with restic', () => {
    expect(choosePacks(names, '2/4').every((number) => Number.parseInt(names[number]!.slice(0, 2), 16) % 4 === 1)).toBe(true);
    expect(choosePacks(names, '256/256')).toEqual([255, 511]);
    const all = [1, 2, 3].flatMap((n) => choosePacks(names, `${n}/3`));
    expect(all.sort((a, b) => a - b)).toEqual(choosePacks(names, true));
  });

  it('B5 a share is taken by chance, at least one pack, none twice', () => {
    const some = choosePacks(names, '12.5%');
    expect(new Set(some).size).toBe(64);
    expect(choosePacks(names, '12.5%')).not.toEqual(some);
    expect(choosePacks(names.slice(0, 3), '1%')).toHaveLength(1);
    expect(choosePacks([], '1%')).toEqual([]);
    expect(choosePacks(names, '100%')).toHaveLength(512);
  });

  it.each(['', '0/4', '5/4', '1/257', '0%', '101%', '-1%', 'all', '1/2/3'])('B5 refuses %j', (text) => {
    expect(() => choosePacks(names, text)).toThrowError(expect.objectContaining({ code: 'USAGE' }));
  });
});
