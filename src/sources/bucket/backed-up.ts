// The objects that a backup holds, in the order of its tree.
import { fail } from '../../base/errors.ts';
import type { Node } from '../../model/node.ts';
import type { RestoreRun } from '../../ports/restorer.ts';
import { type Attributes, noAttributes, unpack } from './attributes.ts';
import { keyPart } from './names.ts';

export interface BackedUp {
  /** Below the prefix of the place that was backed up. */
  readonly key: string;
  readonly size: number;
  readonly content: readonly string[];
  readonly attributes: Attributes;
}

/** What a restore puts into a bucket as long as it is not whole. */
export const markerKey = '.stillpoint-restore-incomplete';

/** Tree id of the objects. Throws NOT_IN_BACKUP for a backup of something else, or in a format that is not known here. */
export async function objectsTree({ backup, reader }: RestoreRun): Promise<string> {
  const top = await childrenOf(reader, backup.root);
  const bucket = top.get('bucket')?.subtree;
  const below = bucket === undefined ? new Map<string, Node>() : await childrenOf(reader, bucket);
  const objects = below.get('objects')?.subtree;
  const about = below.get('backup.json')?.content;
  if (objects === undefined || about === undefined) fail('NOT_IN_BACKUP', { what: 'bucket', id: backup.record });
  const text = Buffer.concat(await Array.fromAsync(reader.stream(about))).toString();
  const { format } = JSON.parse(text) as { format?: unknown };
  if (format !== 1) fail('NOT_IN_BACKUP', { what: 'bucket in a format that this version knows', id: backup.record });
  return objects;
}

/** Those whose keys begin with one of `include`; all if that is empty. */
export function objectsIn({ reader, warn }: RestoreRun, tree: string, include: readonly string[]): AsyncGenerator<BackedUp> {
  const chosen = (key: string) => include.length === 0 || include.some((start) => key.startsWith(start));
  const leadsOn = (path: string) => chosen(path) || include.some((start) => start.startsWith(path));
  async function* below(id: string, path: string): AsyncGenerator<BackedUp> {
    for await (const node of reader.tree(id)) {
      const key = path + keyPart(node.name.toString(), node.type === 'dir');
      if (node.subtree !== undefined && leadsOn(key)) yield* below(node.subtree, key);
      if (node.content === undefined || !chosen(key) || key === markerKey) continue;
      const attributes = unpack(node);
      if (attributes === undefined) warn({ item: key, detail: 'its content type, metadata and tags are not in the backup' });
      yield { key, size: node.size, content: node.content, attributes: attributes ?? { ...noAttributes, etag: '' } };
    }
  }
  return below(tree, '');
}

/** Throws TARGET_PATH_UNKNOWN for a beginning that no key has. */
export async function needIncluded(run: RestoreRun, tree: string, include: readonly string[]): Promise<void> {
  for (const start of include) {
    const first = await objectsIn({ ...run, warn: () => undefined }, tree, [start]).next();
    if (first.done) fail('TARGET_PATH_UNKNOWN', { path: start });
  }
}

async function childrenOf(reader: RestoreRun['reader'], id: string): Promise<Map<string, Node>> {
  const nodes = await Array.fromAsync(reader.tree(id));
  return new Map(nodes.map((node) => [node.name.toString(), node]));
}
