import { describe, expect, it } from 'vitest';
import { formatClock, formatDuration, formatMode, formatSize, formatTime, plural, shortIds } from '../../../src/cli/format.ts';
import { printable } from '../../../src/cli/terminal.ts';

describe('M8 values as a person reads them', () => {
  it('M8 writes sizes with three digits and never 1000 or more of a unit', () => {
    const sizes = [0, 999, 1000, 1536, 10 * 1024, 1023 * 1024, 5 * 1024 ** 3, 1.5 * 1024 ** 4];
    expect(sizes.map(formatSize)).toEqual(['0 B', '999 B', '0.98 KiB', '1.50 KiB', '10.0 KiB', '1.00 MiB', '5.00 GiB', '1.50 TiB']);
    for (let bytes = 1; bytes < 1e16; bytes = Math.ceil(bytes * 1.07))
      expect(formatSize(bytes)).toMatch(/^(\d{1,3}|\d\.\d\d|\d\d\.\d) ([KMGTP]i)?B$/);
  });

  it('M8 writes times in the zone of the reader, with its name', () => {
    const time = Date.UTC(2026, 2, 1, 23, 5, 9);
    expect(formatTime(time, 'UTC')).toBe('2026-03-01 23:05:09 UTC');
    expect(formatTime(time, 'Asia/Kolkata')).toBe('2026-03-02 04:35:09 GMT+5:30');
    expect(formatTime(null)).toBe('-');
  });

  it('M8 writes durations', () => {
    expect([0, 420, 9949, 59_400, 185_000, 7_800_000].map(formatDuration)).toEqual([
      '0.0 s',
      '0.4 s',
      '9.9 s',
      '59 s',
      '3:05 min',
      '2:10:00 h',
    ]);
    expect([7, 185, 7800].map(formatClock)).toEqual(['0:07', '3:05', '2:10:00']);
    expect([plural(1, 'file'), plural(1234, 'file')]).toEqual(['1 file', '1,234 files']);
  });

  it('M8 shortens ids as far as they stay different', () => {
    const ids = ['aaaaaaaaaa11', 'aaaaaaaaab22', 'bbbbbbbbbbbb'];
    expect([...shortIds(ids).values()]).toEqual(['aaaaaaaaaa', 'aaaaaaaaab', 'bbbbbbbb']);
    const short = shortIds(['0123456789', '01234567', '0123456789']);
    expect(short.get('0123456789')).toBe('012345678');
  });

  it('M8 writes modes as ls does', () => {
    expect(formatMode('dir', 0o755)).toBe('drwxr-xr-x');
    expect(formatMode('file', 0o4755)).toBe('-rwsr-xr-x');
    expect(formatMode('file', 0o2644)).toBe('-rw-r-Sr--');
    expect(formatMode('dir', 0o1777)).toBe('drwxrwxrwt');
    expect(formatMode('symlink', 0o777)).toBe('lrwxrwxrwx');
  });

  it('M8 lets no name touch the terminal', () => {
    expect(printable('a\x1b[31mb\nc\u009bd\u202ee')).toBe('a\\x1b[31mb\\x0ac\\x9bd\\u202ee');
    expect(printable('Zürich 東京 🗻')).toBe('Zürich 東京 🗻');
  });
});
