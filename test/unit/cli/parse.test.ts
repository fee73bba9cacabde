import { describe, expect, it } from 'vitest';
import { isCode } from '../../../src/base/errors.ts';
import {
  absolutePath,
  collectMapping,
  parseBandwidth,
  parseCapacity,
  parseCount,
  parsePercent,
  parseSize,
  parseSubset,
} from '../../../src/cli/parse.ts';

const refuses = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    return isCode(error, 'USAGE_VALUE');
  }
  return false;
};

describe('P7 values on the command line', () => {
  it('P7 reads bandwidths in bytes a second', () => {
    expect(['0', '500', '20K', '20M', '1.5G', '10MiB', '10mb/s'].map(parseBandwidth)).toEqual([
      0,
      500,
      20 * 1024,
      20 * 1024 ** 2,
      1.5 * 1024 ** 3,
      10 * 1024 ** 2,
      10 * 1024 ** 2,
    ]);
    for (const wrong of ['', '-1', 'fast', '10X', '1e9', '0x10', '1 2'])
      expect(
        refuses(() => parseBandwidth(wrong)),
        wrong,
      ).toBe(true);
  });

  it('P7 reads sizes, capacities, counts, percentages and parts', () => {
    expect(parseSize('10M')).toBe(10 * 1024 ** 2);
    expect(['500', '500G', '500gb', '2T'].map(parseCapacity)).toEqual([500, 500, 500, 2048]);
    expect(parseCount('0')).toBe(0);
    expect([parsePercent('5'), parsePercent('2.5%')]).toEqual([5, 2.5]);
    expect(['1/5', '5/5', '10%', '0.5%'].map(parseSubset)).toEqual(['1/5', '5/5', '10%', '0.5%']);
    const wrong = [
      () => parseCapacity('1.5'),
      () => parseCapacity('10M'),
      () => parseCapacity('9'),
      () => parseCapacity('10241T'),
      () => parseCount('-1'),
      () => parsePercent('101'),
      () => parsePercent(''),
    ];
    for (const run of [...wrong, () => parseSubset('6/5'), () => parseSubset('0/5'), () => parseSubset('all')])
      expect(refuses(run), String(run)).toBe(true);
  });

  it('P7 refuses an empty path instead of taking the working directory', () => {
    expect(absolutePath('a/../b')).toBe(`${process.cwd()}/b`);
    expect(refuses(() => absolutePath(''))).toBe(true);
  });

  it('B8 collects disk mappings and refuses two targets for one disk', () => {
    const one = collectMapping('/dev/vdb=/tmp/x.img', undefined);
    expect(collectMapping('/dev/vdc=/dev/vdd', one)).toEqual({ '/dev/vdb': '/tmp/x.img', '/dev/vdc': '/dev/vdd' });
    for (const wrong of ['/dev/vdb', '=/x', '/dev/vdb='])
      expect(
        refuses(() => collectMapping(wrong, undefined)),
        wrong,
      ).toBe(true);
    expect(refuses(() => collectMapping('/dev/vdb=/dev/vde', one))).toBe(true);
  });
});
