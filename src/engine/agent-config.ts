// The agent's own configuration travels in every backup as /.stillpoint/agent.json, so that a lost host can be set up again from its vault.
import { hash } from 'node:crypto';
import { isCode } from '../base/errors.ts';
import type { NodeTime } from '../model/node.ts';
import type { Entry, Source } from '../ports/source.ts';
import { virtualDir, virtualMeta } from '../ports/virtual-entry.ts';
import type { Repository, VaultReader } from '../repository/repository.ts';

export const agentFolder = '.stillpoint';
const fileName = 'agent.json';

/** `source` with the configuration beside its own entries; `time`: since when it is so. */
export function withAgentConfig(source: Source, json: string, time: NodeTime): Source {
  const bytes = Buffer.from(json);
  const file: Entry = {
    kind: 'file',
    meta: virtualMeta(fileName, 'file', time, bytes.length),
    content: {
      kind: 'stream',
      chunking: { kind: 'content' },
      open: async function* () {
        yield bytes;
      },
    },
  };
  const folder = virtualDir(agentFolder, time, [file]);
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
        if (inner.name.toString() === fileName && inner.content?.join() === id) return inner.mtime;
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
      if (inner.name.toString() !== fileName || !inner.content) continue;
      const pieces: Buffer[] = [];
      for await (const piece of reader.stream(inner.content)) pieces.push(piece);
      return Buffer.concat(pieces).toString('utf8');
    }
  }
  return undefined;
}
