import { describe, expect, test } from 'vitest';
import type { Entry } from '../../src/ports/source.ts';
import { virtualMeta } from '../../src/ports/virtual-entry.ts';
import type { Listed, Lister, Page } from '../../src/sources/bucket/listing.ts';
import { keyPart, objectNames } from '../../src/sources/bucket/names.ts';
import { bucketTree, noTime } from '../../src/sources/bucket/tree.ts';

const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** A store that lists as S3 does, so many entries a page; counts its pages. */
function storeOf(keys: readonly string[], perPage: number) {
  const sorted = [...keys].sort(compare);
  const asked = { pages: 0 };
  const list: Lister = async function* ({ prefix, flat, after }) {
    const found = sorted.filter((key) => key.startsWith(prefix) && (after === undefined || compare(key, after) > 0));
    const rolled = found.map((key) => {
      const slash = flat ? key.indexOf('/', prefix.length) : -1;
      return slash < 0 ? { key } : { directory: key.slice(0, slash + 1) };
    });
    const entries = rolled.filter(
      (one, i) => !('directory' in one) || rolled.findIndex((other) => other.directory === one.directory) === i,
    );
    for (let at = 0; at === 0 || at < entries.length; at += perPage) {
      asked.pages++;
      const page = entries.slice(at, at + perPage);
      const objects = page.flatMap(({ key }): Listed[] => (key === undefined ? [] : [{ key, etag: key, size: 0, modified: 0 }]));
      yield { objects, directories: page.flatMap(({ directory }) => directory ?? []) } satisfies Page;
    }
  };
  return { list, asked };
}

const treeOf = (list: Lister, most: number) =>
  bucketTree({
    list,
    plain: true,
    most,
    leaf: (part, [object], taken) => ({
      names: objectNames(part, taken),
      entry: (name): Entry => ({
        kind: 'file',
        meta: virtualMeta(`${name}`, 'file', noTime),
        content: { kind: 'stored', content: [object!.key], size: 0 },
      }),
    }),
  })();

/** Every object: its path in the tree, the key that the path says, the key that it really has. Proves the order on the way. */
async function walked(entries: AsyncIterable<Entry>, path = '', key = ''): Promise<{ path: string; says: string; is: string }[]> {
  const found: { path: string; says: string; is: string }[] = [];
  let last: Buffer | undefined;
  for await (const entry of entries) {
    const { name } = entry.meta;
    if (last !== undefined && last.compare(name) >= 0) throw new Error(`${last} before ${name}`);
    if (name.length > 255 || name.length === 0 || ['.', '..'].includes(`${name}`) || /[/\0]/.test(`${name}`))
      throw new Error(`no name: ${name}`);
    last = name;
    const says = key + keyPart(`${name}`, entry.kind === 'dir');
    const here = `${path}/${name}`;
    if (entry.kind === 'dir') found.push(...(await walked(entry.list(), here, says)));
    else if (entry.kind === 'file' && entry.content.kind === 'stored') found.push({ path: here, says, is: entry.content.content[0]! });
  }
  return found;
}

/** Numbers that are the same each time. */
function dice(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

describe('S9 the tree of a bucket', () => {
  test('S9 whatever the keys and however large a directory, names come in order, are safe as files, and say their keys', async () => {
    const signs = [
      'a',
      'a',
      'b',
      '/',
      '/',
      '-',
      '.',
      '%',
      ' ',
      '\0',
      '!',
      '\n',
      'é',
      '\u{1f600}',
      '\uffee',
      'long'.repeat(62),
      '%25',
      '+',
      '0',
    ];
    for (let seed = 1; seed <= 60; seed++) {
      const roll = dice(seed);
      const keys = new Set<string>();
      for (let i = 0; i < 60; i++) keys.add(Array.from({ length: 1 + roll(6) }, () => signs[roll(signs.length)]!).join(''));
      const expected = [...keys].sort();
      const whole = await walked(treeOf(storeOf(expected, 7).list, 1000));
      expect(whole.map(({ is }) => is).sort()).toEqual(expected);
      for (const { says, is } of whole) expect(says).toBe(is);
      expect(new Set(whole.map(({ path }) => path)).size).toBe(expected.length);
      // What does not fit into memory is streamed: the same tree.
      for (const most of [0, 3]) expect(await walked(treeOf(storeOf(expected, 2 + (seed % 5)).list, most))).toEqual(whole);
    }
  });

  test('S9 many small directories cost no request each', async () => {
    const keys = Array.from({ length: 3000 }, (_, i) => `top/d${String(i).padStart(4, '0')}/only`);
    const { list, asked } = storeOf(keys, 1000);
    expect(await walked(treeOf(list, 500))).toHaveLength(3000);
    expect(asked.pages).toBeLessThan(25);
  });
});
