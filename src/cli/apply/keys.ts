// Keys of a file that nobody knows, with the known ones that may have been meant.
import type { TSchema } from 'typebox';

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly const?: unknown;
}

export interface UnknownKey {
  readonly key: string;
  /** JSON pointer to the key. */
  readonly pointer: string;
  /** Of the thing that has it: `plans[0]`; empty for the whole file. */
  readonly place: string;
  /** What may stand there. */
  readonly known: readonly string[];
}

/** The first of `value`; undefined if all are known. */
export function unknownKey(schema: TSchema, value: unknown): UnknownKey | undefined {
  return search([schema as Node], value, '', '');
}

function search(nodes: readonly Node[], value: unknown, pointer: string, place: string): UnknownKey | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const meant = nodes.flatMap((node) => node.anyOf ?? [node]).filter((node) => fits(node, value));
  if (Array.isArray(value)) {
    const items = meant.flatMap(({ items }) => items ?? []);
    return first(value.map((item, i) => () => search(items, item, `${pointer}/${i}`, `${place}[${i}]`)));
  }
  const shapes = meant.map(({ properties }) => properties).filter((properties) => properties !== undefined);
  // Not even the kind is right, or no object is wanted here: that is another fault.
  if (shapes.length === 0) return undefined;
  const known = [...new Set(shapes.flatMap((properties) => Object.keys(properties)))];
  return first(
    Object.entries(value).map(([key, inner]) => () => {
      const step = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      if (!known.includes(key)) return { key, pointer: step, place, known };
      const below = shapes.flatMap((properties) => properties[key] ?? []);
      return search(below, inner, step, place === '' ? key : `${place}.${key}`);
    }),
  );
}

/** A branch whose `kind` or `type` is another is not the one that was meant. */
function fits({ properties }: Node, value: object): boolean {
  return ['kind', 'type'].every((key) => {
    const wanted = properties?.[key]?.const;
    return wanted === undefined || (value as Readonly<Record<string, unknown>>)[key] === wanted;
  });
}

function first<T>(tries: readonly (() => T | undefined)[]): T | undefined {
  for (const attempt of tries) {
    const found = attempt();
    if (found !== undefined) return found;
  }
  return undefined;
}
