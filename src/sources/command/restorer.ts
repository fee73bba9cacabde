// The dump of a backup, fed to a load command, with what has to run before and after it.
import { fail, StillpointError } from '../../base/errors.ts';
import type { Node } from '../../model/node.ts';
import { type CommandTarget, commandsOf } from '../../model/task.ts';
import type { RestoreRun, Restorer } from '../../ports/restorer.ts';
import { around, runCommand } from './around.ts';
import { commandName } from './process.ts';
import { feedCommand } from './target.ts';

/**
 * Throws NOT_ALLOWED for a name of the allow-list that nobody has looked up (recover has none), and TARGET_FAILED: before anything was loaded, while it
 * was loaded (then nothing runs after it), or after it.
 */
export function commandRestorer(target: CommandTarget): Restorer {
  for (const { named, argv, shell } of commandsOf(target))
    if (argv === undefined && shell === undefined)
      fail('NOT_ALLOWED', {
        what: `the command ${JSON.stringify(named)}`,
        reason: 'only an agent looks up names; give the command itself',
      });
  const path = commandName(target);
  const before = around(target.before ?? [], 'before');
  const after = around(target.after ?? [], 'after');

  const dumpOf = async ({ backup, reader }: RestoreRun): Promise<Node> => {
    const files: Node[] = [];
    for await (const node of reader.tree(backup.root)) if (node.type === 'file') files.push(node);
    return files.length === 1 ? files[0]! : fail('NOT_IN_BACKUP', { what: 'dump', id: backup.record });
  };

  async function prepare({ onFile, signal }: RestoreRun): Promise<void> {
    for (const { line, label } of before) {
      onFile(0, label);
      const failed = await runCommand(line, signal);
      if (failed) fail('TARGET_FAILED', { path, detail: `nothing was loaded: the command ${label} ${failed}` });
    }
  }

  async function load(dump: Node, { onFile, reader, signal }: RestoreRun): Promise<number> {
    onFile(0, dump.name.toString('utf8'));
    try {
      return await feedCommand(target, dump.content!, reader, signal);
    } catch (error) {
      if (after.length === 0 || signal.aborted || !(error instanceof StillpointError)) throw error;
      const problem = error.toProblem();
      const detail = `${problem.detail}; the commands after the load were not run`;
      throw new StillpointError({ ...problem, detail }, { cause: error });
    }
  }

  async function conclude({ onFile, signal }: RestoreRun): Promise<void> {
    for (const [i, { line, label }] of after.entries()) {
      onFile(1, label);
      const failed = await runCommand(line, signal);
      if (!failed) continue;
      const rest = i < after.length - 1 ? '; those after it were not run' : '';
      fail('TARGET_FAILED', { path, detail: `the dump is loaded, but the command ${label} ${failed}${rest}` });
    }
  }

  return {
    async *plan(run) {
      const dump = await dumpOf(run);
      for (const { label } of before) yield { action: 'run', path: label, bytes: 0 };
      yield { action: 'write', path, bytes: dump.size };
      for (const { label } of after) yield { action: 'run', path: label, bytes: 0 };
    },
    run: async (run) => {
      const dump = await dumpOf(run);
      await prepare(run);
      const bytes = await load(dump, run);
      await conclude(run);
      return { files: 1, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: bytes, bytesTotal: dump.size };
    },
  };
}
