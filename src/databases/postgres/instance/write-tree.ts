// Part of a backup's tree as files of the new instance's owner.
import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../../../base/errors.ts';
import type { Node } from '../../../model/node.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import type { FileToWrite } from '../../../ports/target.ts';
import { give, type InstancePlace } from './place.ts';

export interface Written {
  files: number;
  dirs: number;
  bytesWritten: number;
  bytesTotal: number;
}

/** `to`: made unless `there`. Adds to `counts`. Throws the first error of a file, once all others are done. */
export async function writeTree(
  { subtree }: Node,
  to: string,
  { owner }: InstancePlace,
  { reader, onFile, signal }: RestoreRun,
  counts: Written,
  { there = false } = {},
): Promise<void> {
  let failed: Error | undefined;
  const { uid, gid } = owner;
  const shown = (node: Node) => {
    const name = node.name.toString('utf8');
    if (name === '' || name === '.' || name === '..' || name.includes('/'))
      fail('TARGET_FAILED', { path: to, detail: `the backup has an entry called ${name}` });
    return name;
  };

  async function* below(tree: string, path: string, exists: boolean): AsyncGenerator<FileToWrite> {
    if (!exists) mkdirSync(path);
    give(path, owner);
    counts.dirs++;
    const folder = heldOpen(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
    try {
      for await (const node of reader.tree(tree)) {
        signal.throwIfAborted();
        const name = shown(node);
        if (node.type === 'dir') yield* below(node.subtree!, join(path, name), false);
        else if (node.type === 'file') {
          folder.take();
          const meta = { ...node, uid, gid, mode: node.mode & 0o700 };
          const tag = { folder, path: join(path, name), size: node.size };
          yield {
            tag,
            content: node.content ?? [],
            size: node.size,
            open: { kind: 'create', dirfd: folder.fd, name: node.name },
            mode: 'new',
            meta,
          };
        }
      }
    } finally {
      folder.letGo();
    }
  }

  await reader.writeFiles(below(subtree!, to, there), ({ tag, written, error }) => {
    const { folder, path, size } = tag as { folder: Held; path: string; size: number };
    folder.letGo();
    failed ??= error;
    counts.files++;
    counts.bytesWritten += written;
    counts.bytesTotal += size;
    onFile(counts.files, path);
  });
  if (failed) throw failed;
}

type Held = ReturnType<typeof heldOpen>;

/** A directory that stays open until the last of its files is written. */
function heldOpen(fd: number) {
  let uses = 1;
  return {
    fd,
    take: () => {
      uses++;
    },
    letGo: () => {
      uses--;
      if (uses === 0) closeSync(fd);
    },
  };
}
