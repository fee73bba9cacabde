// Restoring files and directories, whole backups or chosen paths of them, below a directory or in place.
import { resolve } from 'node:path';
import { failure } from '../../base/errors.ts';
import type { RestoreRun, Restorer } from '../../ports/restorer.ts';
import { planSteps } from './plan-steps.ts';
import type { FilesRun, FilesTarget } from './request.ts';
import { restore } from './restore.ts';
import { selectionOf } from './selection.ts';
import { verify } from './verify.ts';

/**
 * Entries that fail are told to `warn` and the rest goes on. Throws TARGET_PATH_UNKNOWN for an included path that the backup does not hold
 * (before anything is written), TARGET_FULL, TARGET_FAILED, TARGET_VERIFY and, on abort, the signal's reason.
 * `guard`: absolute paths that are never deleted.
 */
export function filesRestorer(settings: FilesTarget, guard: readonly string[]): Restorer {
  const target = { ...settings, path: resolve('/', settings.path) };
  const prepare = async (run: RestoreRun): Promise<FilesRun> => {
    await assertIncluded(target, run);
    return { ...run, target, guard, selection: selectionOf(target.include, run.backup.paths, target.path === '/') };
  };
  return {
    async *plan(run) {
      yield* planSteps(await prepare(run));
    },
    run: async (run) => {
      const prepared = await prepare(run);
      const restored = await restore(prepared);
      if (target.verify) await verify(prepared, restored);
      return restored.counts;
    },
  };
}

/** Looks each included path up, so that a slip of the pen is an error and not an empty restore. */
async function assertIncluded(target: FilesTarget, { backup, reader }: RestoreRun): Promise<void> {
  for (const include of target.include) {
    let tree: string | undefined = backup.root;
    for (const part of resolve('/', include).split('/').filter(Boolean)) {
      const name: Buffer = Buffer.from(part);
      let found: { readonly subtree?: string } | undefined;
      if (tree !== undefined) {
        for await (const node of reader.tree(tree)) {
          if (!node.name.equals(name)) continue;
          found = node;
          break;
        }
      }
      if (found === undefined) throw failure('TARGET_PATH_UNKNOWN', { path: include });
      tree = found.subtree;
    }
  }
}
