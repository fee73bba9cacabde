import { describe, expect, it } from 'vitest';
import { differenceLine, entryLine, printStream } from '../../../src/cli/entries.ts';
import { boxText, detailsText, shownWidth } from '../../../src/cli/print.ts';
import { openSession } from '../../../src/cli/session.ts';
import { tableText } from '../../../src/cli/table.ts';
import { paintFor } from '../../../src/cli/terminal.ts';

const paint = paintFor(false, {});
const columns = [
  { title: 'NAME', value: (item: { name: string }) => item.name, flexible: true },
  { title: 'SIZE', value: () => '12 MiB', align: 'right' as const },
];

describe('M8 output', () => {
  it('M8 aligns tables, also with wide characters and colours', () => {
    expect(tableText(columns, [{ name: 'a' }, { name: '東京' }, { name: '\x1b[31mred\x1b[39m' }], { width: 80, paint })).toBe(
      'NAME    SIZE\na     12 MiB\n東京  12 MiB\n\x1b[31mred\x1b[39m   12 MiB\n',
    );
  });

  it('M8 shortens the column that may give way', () => {
    const text = tableText(columns, [{ name: 'x'.repeat(100) }], { width: 40, paint });
    expect(Math.max(...text.split('\n').map(shownWidth))).toBe(40);
    expect(text).toContain('…');
    expect(text).toContain('12 MiB');
  });

  it('M8 leaves out details without a value and aligns further lines', () => {
    expect(
      detailsText(
        'title',
        [
          ['A', '1'],
          ['Long', 'x\ny'],
          ['None', undefined],
          ['Empty', ''],
        ],
        paint,
      ),
    ).toBe('title\n  A     1\n  Long  x\n        y\n');
  });

  it('M8 frames a text evenly', () => {
    const lines = boxText(['key', '東京 x'], paint).trimEnd().split('\n');
    expect(new Set(lines.map(shownWidth)).size).toBe(1);
  });

  it('B19 writes entries and differences on a line each, names made harmless', () => {
    const entry = {
      path: '/a\nb',
      type: 'symlink',
      mode: 0o777,
      uid: 0,
      gid: 7,
      user: 'root',
      size: 3,
      mtime: '2026-03-01T00:00:00Z',
      linkTarget: '../x',
    };
    expect(entryLine(entry, false, paint)).toBe('/a\\x0ab → ../x');
    expect(entryLine(entry, true, paint)).toMatch(/^lrwxrwxrwx {2}root {5}7 {8} {6}3 B {2}.* {2}\/a\\x0ab → \.\.\/x$/);
    expect(entryLine({ ...entry, type: 'dir', path: '/d' }, false, paint)).toMatch(/^\/d\//);
    expect(differenceLine({ path: '/x', change: 'M', sizeBefore: 1024, sizeAfter: 2048 }, paint)).toBe('M  /x  1.00 KiB → 2.00 KiB');
    expect(differenceLine({ path: '/x', change: 'U', sizeBefore: 5, sizeAfter: 5 }, paint)).toBe('U  /x');
  });

  it('B19 streams one JSON object, an item a line, the summary beside the items', async () => {
    const written: string[] = [];
    const host = { environment: {}, interrupted: new AbortController().signal, standalone: () => Promise.reject(new Error('unused')) };
    const session = { ...openSession(host, true), print: (text: string) => void written.push(text) };
    async function* lines() {
      yield { path: '/a' };
      yield { path: '/b' };
      yield { summary: { added: 2 } };
    }
    await printStream(
      session,
      lines(),
      () => 'unused',
      () => 'unused',
    );
    const text = written.join('');
    expect(JSON.parse(text)).toEqual({ items: [{ path: '/a' }, { path: '/b' }], total: 2, nextCursor: null, summary: { added: 2 } });
    expect(text.split('\n')).toContain('{"path":"/b"}');
  });
});
