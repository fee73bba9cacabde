// What every source must do (src/ports/source.ts). An adapter's test calls this with a way to open one.
import { expect, it } from 'vitest';
import type { Entry, Source } from '../../src/ports/source.ts';

export interface SourceCase {
  /** Opens the same thing again each time. */
  open(): Promise<Source>;
  /** How many entries it has at least. */
  readonly atLeast: number;
}

export function sourceContract(name: string, prepare: () => SourceCase): void {
  it(`S3 ${name}: children come in strictly increasing order of their names' bytes`, async () => {
    const source = await prepare().open();
    const seen = await walk(source.list(), 0, 0);
    await source.finish();
    await source.close();
    expect(seen).toBeGreaterThanOrEqual(prepare().atLeast);
  });

  it(`S3 ${name}: metadata is whole and of the type of its entry`, async () => {
    const source = await prepare().open();
    await everyEntry(source.list(), ({ kind, meta }) => {
      expect(meta.name.length).toBeGreaterThan(0);
      expect(meta.name.includes(0) || meta.name.includes(0x2f)).toBe(false);
      expect(meta.mode & ~0o7777).toBe(0);
      for (const time of [meta.mtime, meta.atime, meta.ctime]) {
        expect(Number.isSafeInteger(time.seconds)).toBe(true);
        expect(time.nanos >= 0 && time.nanos < 1_000_000_000).toBe(true);
      }
      expect(kind === 'dir' ? 'dir' : kind === 'file' ? 'file' : 'other').toBe(
        meta.type === 'dir' || meta.type === 'file' ? meta.type : 'other',
      );
      if (meta.type !== 'file') expect(meta.size).toBe(0);
      expect(meta.linkTarget !== undefined).toBe(meta.type === 'symlink');
      expect(meta.device !== undefined).toBe(meta.type === 'dev' || meta.type === 'chardev');
    });
    await source.close();
  });

  it(`S3 ${name}: the root is listed once`, async () => {
    const source = await prepare().open();
    const list = source.list();
    expect(() => source.list()).toThrow();
    for await (const _ of list) break;
    await source.close();
  });

  it(`S3 ${name}: an abandoned walk can be closed, twice too`, async () => {
    const source = await prepare().open();
    for await (const _ of source.list()) break;
    await source.close();
    await source.close();
  });

  it(`S3 ${name}: paths are absolute`, async () => {
    const source = await prepare().open();
    expect(source.paths.length).toBeGreaterThan(0);
    for (const path of source.paths) expect(path.startsWith('/')).toBe(true);
    expect(source.estimate.bytes).toBeGreaterThanOrEqual(0);
    await source.close();
  });
}

async function walk(entries: AsyncIterable<Entry>, seen: number, depth: number): Promise<number> {
  let before: Buffer | undefined;
  let count = seen;
  for await (const entry of entries) {
    if (before !== undefined) expect(Buffer.compare(before, entry.meta.name)).toBe(-1);
    before = entry.meta.name;
    count++;
    if (entry.kind === 'dir') count = await walk(entry.list(), count, depth + 1);
  }
  return count;
}

async function everyEntry(entries: AsyncIterable<Entry>, visit: (entry: Entry) => void): Promise<void> {
  for await (const entry of entries) {
    visit(entry);
    if (entry.kind !== 'dir') continue;
    await everyEntry(entry.list(), visit);
  }
}
