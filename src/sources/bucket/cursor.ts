// Whole subtrees out of a listing without a delimiter: one that is small costs no request of its own, for its keys came with its neighbours'.
import type { Listed, Lister, Page } from './listing.ts';
import { before } from './names.ts';

/** All that lies below a prefix, in the order of the keys; undefined where that is more than `most` objects. */
export type Below = (prefix: string, most: number) => Promise<readonly Listed[] | undefined>;

export function cursorOver(list: Lister): Below {
  /** The page at hand: it holds every key from `from` to its end. */
  let pages: AsyncGenerator<Page> | undefined;
  let page: readonly Listed[] = [];
  let from = '';
  let ended = false;

  const advance = async (): Promise<void> => {
    const next = await pages!.next();
    ended = next.done === true;
    if (!next.done) page = next.value.objects;
  };
  const covers = (prefix: string): boolean =>
    pages !== undefined && !before(prefix, from) && (ended || (page.length > 0 && !before(page.at(-1)!.key, prefix)));
  const seek = async (prefix: string): Promise<void> => {
    if (covers(prefix)) return;
    // No key between the two is one that anybody has.
    pages = list({ prefix: '', flat: false, ...(prefix === '' ? {} : { after: `${prefix.slice(0, -1)}.\u{10fffd}` }) });
    page = [];
    from = prefix;
    await advance();
  };

  return async (prefix, most) => {
    await seek(prefix);
    const found: Listed[] = [];
    for (;;) {
      for (let i = firstFrom(page, prefix); i < page.length; i++) {
        if (!page[i]!.key.startsWith(prefix)) return found;
        found.push(page[i]!);
      }
      if (found.length > most) return undefined;
      const last = page.at(-1)?.key;
      await advance();
      if (ended) return found;
      if (last !== undefined) from = `${last}\0`; // the very next key there can be
    }
  };
}

/** Index of the first object whose key is not before `key`. */
function firstFrom(page: readonly Listed[], key: string): number {
  let low = 0;
  let high = page.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before(page[middle]!.key, key)) low = middle + 1;
    else high = middle;
  }
  return low;
}
