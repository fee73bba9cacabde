import { fail } from '../../base/errors.ts';
import type { Node } from '../../model/node.ts';
import type { RestoreTarget } from '../../model/task.ts';
import type { RestoreRun, Restorer } from '../../ports/restorer.ts';
import { commandName } from './process.ts';
import { feedCommand } from './target.ts';

/** The dump of a backup, fed to a load command. */
export function commandRestorer(target: Extract<RestoreTarget, { kind: 'command' }>): Restorer {
  const dumpOf = async ({ backup, reader }: RestoreRun): Promise<Node> => {
    const files: Node[] = [];
    for await (const node of reader.tree(backup.root)) if (node.type === 'file') files.push(node);
    return files.length === 1 ? files[0]! : fail('NOT_IN_BACKUP', { what: 'dump', id: backup.record });
  };
  return {
    async *plan(run) {
      const dump = await dumpOf(run);
      yield { action: 'write', path: commandName(target), bytes: dump.size };
    },
    run: async (run) => {
      const dump = await dumpOf(run);
      run.onFile(0, dump.name.toString('utf8'));
      const bytes = await feedCommand(target, dump.content!, run.reader, run.signal);
      return { files: 1, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: bytes, bytesTotal: dump.size };
    },
  };
}
