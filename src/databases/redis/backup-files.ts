// What a backup of Redis consists of.
import { fail } from '../../base/errors.ts';
import type { Node } from '../../model/node.ts';
import type { RestorableBackup } from '../../ports/restorer.ts';
import type { ContentReader } from '../../ports/target.ts';

export const rootName = 'redis';
export const copyName = 'dump.rdb';
export const aboutName = 'backup.json';

/** backup.json. */
export interface About {
  readonly format: 1;
  readonly method: 'logical';
  /** The server's. */
  readonly version: string;
  readonly role: string;
  readonly replicationId: string;
  /** Where in the replication stream the copy lies. */
  readonly offset: number;
  /** Sent without a file on the server's disk. */
  readonly diskless: boolean;
  readonly rdb: { readonly version: number; readonly bytes: number; readonly checksum: string | null };
  /** By database; null where the copy holds what only its server can read. */
  readonly keys: Readonly<Record<string, { readonly keys: number; readonly expiring: number }>> | null;
  /** Names of modules' data types are not kept in a copy; only that there are some. */
  readonly modules: boolean;
  readonly functions: number;
  /** How many the server may have; null where the account may not ask. */
  readonly databases: number | null;
  readonly maxmemory: string;
  readonly maxmemoryPolicy: string;
  readonly cluster: boolean;
}

export interface StoredCopy {
  readonly node: Node;
  readonly about: About;
}

/** Throws NOT_IN_BACKUP. */
export async function findCopy({ root, record }: RestorableBackup, reader: ContentReader): Promise<StoredCopy> {
  const missing = (what: string): never => fail('NOT_IN_BACKUP', { what, id: record });
  const folder = (await namedIn(root, rootName, reader))?.subtree ?? missing('Redis data');
  const node = (await namedIn(folder, copyName, reader)) ?? missing('Redis data');
  const text = (await namedIn(folder, aboutName, reader)) ?? missing(aboutName);
  if (!node.content || !text.content || text.size > 1 << 20) return missing('Redis data');
  const pieces: Buffer[] = [];
  for await (const piece of reader.stream(text.content)) pieces.push(piece);
  const about = JSON.parse(Buffer.concat(pieces).toString('utf8')) as About;
  if (about.format !== 1) fail('USAGE', { detail: `the backup ${record} is written in a format of a newer agent` });
  return { node, about };
}

async function namedIn(tree: string, name: string, reader: ContentReader): Promise<Node | undefined> {
  for await (const node of reader.tree(tree)) if (node.name.toString('utf8') === name) return node;
  return undefined;
}
