// The tree that backups of PostgreSQL have in common: all below one root, with a file that says what they are.
import { fail } from '../../base/errors.ts';
import type { Node } from '../../model/node.ts';
import type { RestorableBackup } from '../../ports/restorer.ts';
import type { Content } from '../../ports/source.ts';
import type { ContentReader } from '../../ports/target.ts';

export const root = '/postgres';

/** Of what has no time of its own: the same content makes the same tree. */
export const noTime = { seconds: 0, nanos: 0 } as const;

export function jsonContent(value: unknown): Content {
  const text = Buffer.from(`${JSON.stringify(value, null, 1)}\n`);
  return {
    kind: 'stream',
    chunking: { kind: 'content' },
    open: async function* () {
      yield text;
    },
  };
}

/** The entry at `path` (`/postgres/backup.json`), undefined for none. */
export async function nodeAt({ root: top }: RestorableBackup, reader: ContentReader, path: string): Promise<Node | undefined> {
  let tree: string | undefined = top;
  let found: Node | undefined;
  for (const name of path.split('/').slice(1)) {
    if (tree === undefined) return undefined;
    found = undefined;
    for await (const node of reader.tree(tree)) if (node.name.equals(Buffer.from(name))) found = node;
    tree = found?.subtree;
  }
  return found;
}

/** Throws NOT_IN_BACKUP. */
export async function needNode(backup: RestorableBackup, reader: ContentReader, path: string): Promise<Node> {
  return (await nodeAt(backup, reader, path)) ?? fail('NOT_IN_BACKUP', { what: 'file', id: path });
}

/** A small file's text. Throws NOT_IN_BACKUP. */
export async function readText(backup: RestorableBackup, reader: ContentReader, path: string): Promise<string> {
  const node = await needNode(backup, reader, path);
  const pieces: Buffer[] = [];
  for await (const piece of reader.stream(node.content ?? [])) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

/** Of this method only. Throws NOT_IN_BACKUP. */
export async function readFacts<T extends { readonly method: string }>(
  backup: RestorableBackup,
  reader: ContentReader,
  method: T['method'],
): Promise<T> {
  const facts = JSON.parse(await readText(backup, reader, `${root}/backup.json`)) as T & { engine?: string };
  if (facts.engine !== 'postgres' || facts.method !== method) fail('NOT_IN_BACKUP', { what: `${method} copy of`, id: 'PostgreSQL' });
  return facts;
}
