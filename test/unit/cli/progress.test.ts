import { describe, expect, it } from 'vitest';
import { progressFigures, progressLine, shortened } from '../../../src/cli/progress.ts';
import { openRate } from '../../../src/cli/rate.ts';
import { paintFor } from '../../../src/cli/terminal.ts';

const plain = paintFor(false, {});
const gib = 1024 ** 3;
const half = {
  bytesDone: gib,
  bytesTotal: 2 * gib,
  filesDone: 3,
  filesTotal: 10,
  current: '/srv/a/long/path/to/file.bin',
  bytesPerSecond: 200 * 1024 ** 2,
  secondsLeft: 5,
};

describe('M8 progress', () => {
  it('M8 shows share, amount, speed and time left', () => {
    expect(progressFigures(half)).toEqual(['50 %', '1.00 GiB of 2.00 GiB', '3/10 files', '200 MiB/s', '0:05 left']);
    expect(progressFigures({ ...half, bytesTotal: 0, filesTotal: 0, bytesPerSecond: 0, secondsLeft: null })).toEqual([
      '1.00 GiB',
      '3 files',
    ]);
  });

  it('M8 tells no time left before there is something to tell it from', () => {
    const beginning = { ...half, bytesDone: 4096, bytesPerSecond: 800, secondsLeft: 2_684_350 };
    expect(progressFigures(beginning)).toEqual(['0 %', '4.00 KiB of 2.00 GiB', '3/10 files', '800 B/s']);
    expect(progressFigures({ ...beginning, bytesDone: gib / 50 }).at(-1)).toBe('745:39:10 left');
    expect(progressFigures({ ...beginning, bytesDone: gib / 50, bytesTotal: 100 * gib }).at(-1)).toBe('800 B/s');
    expect(progressFigures({ ...beginning, bytesDone: gib / 4, bytesTotal: 100 * gib }).at(-1)).toBe('745:39:10 left');
  });

  it('M8 fits any width: the bar gives way first', () => {
    expect(progressLine(half, 140, plain)).toMatch(/^█{20}░{20} {2}50 % .* left {2}\/srv\/a\/long\/path\/to\/file\.bin$/);
    for (let width = 20; width < 200; width += 1) expect([...progressLine(half, width, plain)].length).toBeLessThan(width);
    expect(progressLine(half, 60, plain)).not.toContain('█');
  });

  it('M8 keeps the end of a long path', () => {
    expect(shortened('/srv/data/file', 8)).toBe('…ta/file');
    expect(shortened('short', 8)).toBe('short');
  });

  it('M8 colours only a terminal, and not if NO_COLOR is set', () => {
    expect(paintFor(true, {})('red', 'x')).toBe('\x1b[31mx\x1b[39m');
    for (const paint of [plain, paintFor(true, { NO_COLOR: '1' }), paintFor(true, { TERM: 'dumb' })]) expect(paint('red', 'x')).toBe('x');
    expect(paintFor(true, { NO_COLOR: '' })('red', 'x')).not.toBe('x');
  });

  it('M8 measures the speed of a task in this process over the last ten seconds', () => {
    let now = 0;
    const rate = openRate(() => now);
    const step = (bytesDone: number) => rate({ bytesDone, bytesTotal: 4000, filesDone: 0, filesTotal: 0, current: '' });
    expect(step(0)).toMatchObject({ bytesPerSecond: 0, secondsLeft: null });
    now = 1000;
    expect(step(1000)).toMatchObject({ bytesPerSecond: 1000, secondsLeft: 3 });
    now = 12_000;
    expect(step(1000)).toMatchObject({ bytesPerSecond: 0, secondsLeft: null });
    now = 13_000;
    expect(step(2000)).toMatchObject({ bytesPerSecond: 1000, secondsLeft: 2 });
  });
});
