// The agent's own configuration travels in every backup as /.stillpoint/agent.json, so that a lost host can be set up again from its vault.
import { hash } from 'node:crypto';
import { isCode } from '../base/errors.ts';
import type { NodeTime } from '../model/node.ts';
import type { Entry, Source } from '../ports/source.ts';
import { virtualDir, virtualMeta } from '../ports/virtual-entry.ts';
import type { Repository, VaultReader } from '../repository/repository.ts';

export const agentFolder = '.stillpoint';
export const agentFile = 'agent.json';
/** What was frozen for the backup, and what it said of itself (positions in logs). */
export const freezeFile = 'freeze.json';

export interface OwnFile {
  readonly name: string;
  readonly text: string;
  readonly time: NodeTime;
}

/** `source` with files of ours (in the order of their names; the first is as old as the folder) beside its own entries. */
export function withOwnFiles(source: Source, files: readonly OwnFile[]): Source {
  const folder = virtualDir(agentFolder, files[0]!.time, files.map(entryOf));
  return {
    ...source,
    list: async function* () {
      let told = false;
      for await (const entry of source.list()) {
        if (!told && folder.meta.name.compare(entry.meta.name) <= 0) {
          told = true;
          yield folder;
        }
        if (!entry.meta.name.equals(folder.meta.name)) yield entry; // a backup of / on a host that was restored before
      }
      if (!told) yield folder;
    },
  };
}

function entryOf({ name, text, time }: OwnFile): Entry {
  const bytes = Buffer.from(text);
  const open = async function* () {
    yield bytes;
  };
  return {
    kind: 'file',
    meta: virtualMeta(name, 'file', time, bytes.length),
    content: { kind: 'stream', chunking: { kind: 'content' }, open },
  };
}

/**
 * The time of the configuration in the backup with this root tree, if it is this very one: its block is named by its hash, so that nothing is
 * read. Undefined for another one, for one that is so large that it was cut, and for a backup that carries none or is damaged.
 */
export async function timeOfSameConfig(vault: Repository, root: string, json: string): Promise<NodeTime | undefined> {
  const id = hash('sha256', json, 'hex');
  try {
    for await (const node of vault.tree(root)) {
      if (node.name.toString() !== agentFolder || !node.subtree) continue;
      for await (const inner of vault.tree(node.subtree))
        if (inner.name.toString() === agentFile && inner.content?.join() === id) return inner.mtime;
    }
  } catch (error) {
    if (!isCode(error, 'REPO_DAMAGED', 'REPO_BLOB_MISSING', 'BACKEND_NOT_FOUND', 'BACKEND_SHORT')) throw error;
  }
  return undefined;
}

/** The configuration that the backup with this root tree carries, or undefined (a record of stock restic has none). */
export async function agentConfigOf(vault: Repository, root: string, reader: VaultReader): Promise<string | undefined> {
  for await (const node of vault.tree(root)) {
    if (node.name.toString() !== agentFolder || !node.subtree) continue;
    for await (const inner of vault.tree(node.subtree)) {
      if (inner.name.toString() !== agentFile || !inner.content) continue;
      const pieces: Buffer[] = [];
      for await (const piece of reader.stream(inner.content)) pieces.push(piece);
      return Buffer.concat(pieces).toString('utf8');
    }
  }
  return undefined;
}
