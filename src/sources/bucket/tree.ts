// A bucket as a tree: directories in the order of the bytes of their names, which is not the order of the keys (`a-b` comes before `a/b`).
import type { NodeTime } from '../../model/node.ts';
import type { Entry } from '../../ports/source.ts';
import { sorted, virtualDir, virtualMeta } from '../../ports/virtual-entry.ts';
import { cursorOver } from './cursor.ts';
import type { Listed, Lister } from './listing.ts';
import { directoryNames, isPlain } from './names.ts';

/** Objects that are held in memory at a time; a directory of more is listed twice. */
const held = 20_000;

/** Directories have no time of their own. */
export const noTime: NodeTime = { seconds: 0, nanos: 0 };

/** What stands in a directory under a name, below further ones where the name is too long for one. */
export interface Leaf {
  readonly names: readonly string[];
  readonly entry: (name: string) => Entry;
}

export interface TreeRules {
  readonly list: Lister;
  /** Of what is listed under one key. `taken`: a directory has the name, too. */
  readonly leaf: (part: string, listed: readonly Listed[], taken: boolean) => Leaf;
  /** The leaf of a plain name that is not taken has this very name: then a directory of millions needs no memory. */
  readonly plain: boolean;
  readonly most?: number;
}

export function bucketTree({ list, leaf, plain, most = held }: TreeRules): () => AsyncGenerator<Entry> {
  const below = cursorOver(list);

  /** All of a directory at once, whose prefix has `at` characters. */
  function arranged(objects: readonly Listed[], at: number, directories: ReadonlyMap<string, () => AsyncIterable<Entry>>): Entry[] {
    const byPart = Map.groupBy(objects, ({ key }) => key.slice(at));
    return grouped([
      ...[...directories].map(([part, open]) => ({
        names: directoryNames(part),
        entry: (name: string): Entry => ({ kind: 'dir', meta: virtualMeta(name, 'dir', noTime), list: open }),
      })),
      ...[...byPart].map(([part, listed]) => leaf(part, listed, directories.has(part))),
    ]);
  }

  /** A directory whose whole subtree is in memory. */
  async function* small(objects: readonly Listed[], at: number): AsyncGenerator<Entry> {
    const own: Listed[] = [];
    const deeper = new Map<string, Listed[]>();
    for (const object of objects) {
      const slash = object.key.indexOf('/', at);
      const part = object.key.slice(at, slash);
      if (slash < 0) own.push(object);
      else if (deeper.has(part)) deeper.get(part)!.push(object);
      else deeper.set(part, [object]);
    }
    const directories = [...deeper].map(([part, inside]) => [part, () => small(inside, at + part.length + 1)] as const);
    yield* arranged(own, at, new Map(directories));
  }

  /** One that may have millions of objects: these are streamed, in a second listing, between what has a name of its own making. */
  async function* large(prefix: string): AsyncGenerator<Entry> {
    const at = prefix.length;
    const special = ({ key }: Listed) => !isPlain(key.slice(at));
    const directories = new Map<string, () => AsyncIterable<Entry>>();
    let own: Listed[] = [];
    let streamed = false;
    for await (const page of list({ prefix, flat: true })) {
      for (const path of page.directories) directories.set(path.slice(at, -1), () => directory(path));
      own.push(...(streamed ? page.objects.filter(special) : page.objects));
      if (!plain || streamed || own.length <= most) continue;
      streamed = true;
      own = own.filter(special);
    }
    const known = arranged(own, at, directories);
    yield* streamed ? merged(known, plainOnes(prefix), at, directories) : known;
  }

  async function* plainOnes(prefix: string): AsyncGenerator<Listed> {
    for await (const { objects } of list({ prefix, flat: true })) yield* objects.filter(({ key }) => isPlain(key.slice(prefix.length)));
  }

  /** `known` is in memory, `objects` come in order; one whose name a directory has gets a later one and waits among the known. */
  async function* merged(
    known: readonly Entry[],
    objects: AsyncIterable<Listed>,
    at: number,
    directories: ReadonlyMap<string, unknown>,
  ): AsyncGenerator<Entry> {
    const waiting = known.toReversed(); // the next one last, so that taking it and adding near it are cheap
    for await (const object of objects) {
      const part = object.key.slice(at);
      const taken = directories.has(part);
      const [entry] = grouped([leaf(part, [object], taken)]);
      if (taken) {
        const place = waiting.findLastIndex(({ meta }) => meta.name.compare(entry!.meta.name) > 0);
        waiting.splice(place + 1, 0, entry!);
        continue;
      }
      while (waiting.length > 0 && waiting.at(-1)!.meta.name.compare(entry!.meta.name) < 0) yield waiting.pop()!;
      yield entry!;
    }
    yield* waiting.toReversed();
  }

  async function* directory(prefix: string): AsyncGenerator<Entry> {
    const all = await below(prefix, most);
    if (all === undefined) yield* large(prefix);
    else yield* small(all, prefix.length);
  }
  return () => directory('');
}

/** Leaves in the order of their names; those that share the beginning of a long name, in a directory of that name. */
function grouped(leaves: readonly Leaf[]): Entry[] {
  const groups = Map.groupBy(leaves, ({ names }) => names[0]!);
  return sorted(
    [...groups].map(([name, members]) => {
      const [first] = members;
      if (first!.names.length === 1) return first!.entry(name);
      return virtualDir(name, noTime, grouped(members.map((one) => ({ ...one, names: one.names.slice(1) }))));
    }),
  );
}
