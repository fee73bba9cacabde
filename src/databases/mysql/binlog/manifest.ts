// What a backup of the log says of itself, and how it is found in the vault again.
import { fail } from '../../../base/errors.ts';
import type { Node } from '../../../model/node.ts';
import type { LogMark } from '../../../model/service.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import { parsePlace } from './place.ts';

/** `/mysql/backup.json` */
export interface Manifest {
  readonly format: 1;
  readonly method: 'incremental';
  readonly engine: 'MariaDB' | 'MySQL';
  readonly version: string;
  readonly from: LogMark;
  readonly until: LogMark;
  /** In the server's order. */
  readonly files: readonly LogFile[];
}

/** `/mysql/binlog/<name>`: what the server's file of that name has between two positions, with the beginning of a log. */
export interface LogFile {
  readonly name: string;
  readonly from: number;
  readonly until: number;
}

export const directories = { root: 'mysql', logs: 'binlog', manifest: 'backup.json' } as const;

type Reading = Pick<RestoreRun, 'reader' | 'other'>;

/** Throws RESTORE_… or REPO_… errors; DATABASE_UNKNOWN where the record holds no backup of a log. */
export async function readManifest({ reader, other }: Reading, record: string): Promise<Manifest> {
  const { root } = await other(record);
  const node = await find(reader, root, [directories.root, directories.manifest]);
  const pieces: Buffer[] = [];
  for await (const piece of reader.stream(node?.content ?? [])) pieces.push(piece);
  const manifest = parsed(Buffer.concat(pieces).toString('utf8'));
  if (manifest === undefined) fail('DATABASE_UNKNOWN', { database: `the backup ${record}`, what: 'binary log that can be read' });
  return manifest;
}

/** The bytes of a log file of the record. */
export async function* readLog({ reader, other }: Reading, record: string, name: string): AsyncGenerator<Buffer> {
  const { root } = await other(record);
  const node = await find(reader, root, [directories.root, directories.logs, name]);
  if (node === undefined) fail('DATABASE_UNKNOWN', { database: `the backup ${record}`, what: `log file ${name}` });
  yield* reader.stream(node.content ?? []);
}

async function find(reader: Reading['reader'], root: string, path: readonly string[]): Promise<Node | undefined> {
  let tree: string | undefined = root;
  let found: Node | undefined;
  for (const name of path) {
    found = undefined;
    if (tree === undefined) return undefined;
    for await (const node of reader.tree(tree)) {
      if (node.name.toString() === name) found = node;
    }
    tree = found?.subtree;
  }
  return found;
}

function parsed(text: string): Manifest | undefined {
  try {
    const manifest = JSON.parse(text) as Manifest;
    const whole = manifest.format === 1 && manifest.method === 'incremental' && manifest.files.every(isLogFile);
    return whole && typeof manifest.from.place === 'string' && typeof manifest.until.place === 'string' ? manifest : undefined;
  } catch {
    return undefined;
  }
}

const isLogFile = ({ name, from, until }: LogFile): boolean =>
  parsePlace(`${name}:0`) !== undefined && Number.isSafeInteger(from) && Number.isSafeInteger(until);
