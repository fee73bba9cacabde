// What a logical backup holds, and what of it is wanted.
import { fail } from '../../../base/errors.ts';
import type { Node } from '../../../model/node.ts';
import type { MysqlTarget } from '../../../model/service.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import type { ContentReader } from '../../../ports/target.ts';
import { systemDatabases } from './choice.ts';
import { accountsFile, databaseFile, databasesFolder, type Facts, factsFile, root } from './layout.ts';
import { decodeName, type FileOf, fromFile } from './names.ts';

export interface StoredObject extends FileOf {
  readonly node: Node;
}

export interface StoredDatabase {
  readonly name: string;
  /** Its CREATE DATABASE. */
  readonly own: Node;
  readonly objects: readonly StoredObject[];
  /** All of it is wanted. */
  readonly whole: boolean;
  /** What it will be called. */
  readonly target: string;
}

export interface Catalogue {
  readonly facts: Facts;
  readonly accounts: Node | undefined;
  readonly databases: readonly StoredDatabase[];
}

/** A script is a few KB, a routine may be some MB. */
const textAtMost = 64 << 20;

export async function textOf(reader: ContentReader, node: Node): Promise<string> {
  if (node.size > textAtMost) fail('REPO_DAMAGED', { kind: 'script', name: node.name.toString(), detail: 'it is too large for a script' });
  const pieces: Buffer[] = [];
  for await (const piece of reader.stream(node.content ?? [])) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('utf8');
}

/** Throws NOT_IN_BACKUP for what is asked for and is not there, USAGE for names that cannot be. */
export async function catalogueOf({ backup, reader }: RestoreRun, target: MysqlTarget): Promise<Catalogue> {
  const missing = (what: string, id: string): never => fail('NOT_IN_BACKUP', { what, id });
  const top = new Map<string, Node>();
  const below = (await childOf(reader, backup.root, root)) ?? missing('folder', `/${root}`);
  for await (const node of reader.tree(below.subtree!)) top.set(node.name.toString(), node);
  const facts = JSON.parse(await textOf(reader, top.get(factsFile) ?? missing('file', `/${root}/${factsFile}`))) as Facts;
  if (facts.format !== 1 || facts.method !== 'logical') missing('logical dump of MySQL that this version can read', backup.record);
  const folder = top.get(databasesFolder);
  const databases: StoredDatabase[] = [];
  if (folder) {
    for await (const node of reader.tree(folder.subtree!)) {
      const database = await databaseIn(reader, node, target);
      if (database) databases.push(database);
    }
  }
  check(databases, target, missing);
  const all = target.databases.length + target.tables.length === 0;
  return { facts, accounts: all ? top.get(accountsFile) : undefined, databases };
}

async function databaseIn(reader: ContentReader, node: Node, { databases, tables, as }: MysqlTarget): Promise<StoredDatabase | undefined> {
  const name = decodeName(node.name.toString());
  const only = new Set(tables.filter(({ database }) => database === name).map(({ table }) => table));
  const whole = databases.includes(name) || databases.length + tables.length === 0;
  if (!whole && only.size === 0) return undefined;
  const objects: StoredObject[] = [];
  let own: Node | undefined;
  for await (const file of reader.tree(node.subtree!)) {
    const object = fromFile(file.name.toString());
    if (file.name.toString() === databaseFile) own = file;
    else if (object && (whole || (only.has(object.name) && ofTables.has(object.kind)))) objects.push({ ...object, node: file });
  }
  if (own === undefined) fail('REPO_DAMAGED', { kind: 'database', name, detail: `${databaseFile} is missing` });
  return { name, own: own!, objects, whole, target: as[name] ?? name };
}

const ofTables: ReadonlySet<string> = new Set(['schema', 'data', 'sequence', 'view', 'triggers']);

function check(
  found: readonly StoredDatabase[],
  { databases, tables, as }: MysqlTarget,
  missing: (what: string, id: string) => never,
): void {
  for (const name of [...databases, ...Object.keys(as)]) if (!found.some((one) => one.name === name)) missing('database', name);
  for (const { database, table } of tables) {
    const objects = found.find((one) => one.name === database)?.objects ?? [];
    if (!objects.some(({ name, kind }) => name === table && kind !== 'triggers')) missing('table', `${database}.${table}`);
  }
  const targets = new Set<string>();
  for (const { target } of found) {
    const wrong = (why: string): never => fail('USAGE', { detail: `mysql: ${JSON.stringify(target)} ${why}` });
    if (target === '' || [...target].length > 64 || target.includes('\0') || target.endsWith(' '))
      wrong('cannot be the name of a database');
    if (systemDatabases.includes(target.toLowerCase())) wrong('is a database of the server itself');
    if (targets.has(target)) wrong('would be the name of two databases');
    targets.add(target);
  }
}

async function childOf(reader: ContentReader, tree: string, name: string): Promise<Node | undefined> {
  for await (const node of reader.tree(tree)) if (node.name.toString() === name) return node;
  return undefined;
}
