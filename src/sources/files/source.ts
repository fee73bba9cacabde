// Files and directories as a backup reads them.
import { errnoOf, fail, failure } from '../../base/errors.ts';
import { type FileStat, fileType, statAt, statDirectory } from '../../base/libc-stat.ts';
import type { FilesSource } from '../../model/plan.ts';
import type { Entry, Source, Warn } from '../../ports/source.ts';
import { compileExcludes, readExcludeFiles } from './patterns.ts';
import { normalizePaths, type RootNode, rootTree } from './roots.ts';
import { once, type Walk, walk } from './walk.ts';

export interface FilesSourceOptions {
  readonly warn: Warn;
  /** Absolute paths that are never read: the vault itself, the agent's own temporary files. */
  readonly selfExclude?: readonly string[];
}

const cwd = -100;

/**
 * Opens the paths of `settings`; the tree has all components of their absolute paths, as restic's has.
 * Throws SOURCE_MISSING for a path that does not exist, SOURCE_UNREADABLE, USAGE for a malformed pattern or no paths.
 */
export async function filesSource(settings: FilesSource, options: FilesSourceOptions): Promise<Source> {
  const paths = normalizePaths(settings.paths);
  if (paths.length === 0) fail('USAGE', { detail: 'no path to back up is named' });
  const excludes = [...settings.excludes, ...(await readExcludeFiles(settings.excludeFiles))];
  const rootDevices = new Map(paths.map((path) => [path, rootStat(path).device]));
  const walker = walk(
    {
      excludes: compileExcludes(excludes),
      never: new Set(normalizePaths(options.selfExclude ?? [])),
      excludeCaches: settings.excludeCaches,
      oneFileSystem: settings.oneFileSystem,
      rootDevices,
    },
    options.warn,
  );
  let listed = false;
  let closed = false;
  return {
    paths,
    excludes,
    estimate: { bytes: 0, files: 0 },
    list() {
      if (listed || closed) throw new Error('a source is listed once, before it is closed');
      listed = true;
      return listRoot(rootTree(paths), walker, options.warn);
    },
    async finish() {},
    async close() {
      closed = true;
    },
  };
}

function rootStat(path: string): FileStat {
  try {
    return statAt(cwd, path);
  } catch (cause) {
    const code = errnoOf(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw failure('SOURCE_MISSING', { path }, { cause });
    throw failure('SOURCE_UNREADABLE', { path, detail: code ?? String(cause) }, { cause });
  }
}

/** The root's children: those on the way to the paths asked for, or, where "/" itself was, all. */
async function* listRoot(root: RootNode, walker: Walk, warn: Warn): AsyncGenerator<Entry> {
  if (!root.whole) {
    yield* onTheWay(root, walker, warn);
    return;
  }
  const whole = walker.entry(Buffer.from('/'), Buffer.from('/'), rootStat('/').device);
  if (whole?.kind === 'dir') yield* whole.list();
}

async function* onTheWay(node: RootNode, walker: Walk, warn: Warn): AsyncGenerator<Entry> {
  for (const key of [...node.children.keys()].sort((a, b) => (a < b ? -1 : 1))) {
    const child = node.children.get(key)!;
    const name = Buffer.from(key, 'latin1');
    if (child.whole) {
      const stat = rootStat(child.path);
      const entry = walker.entry(Buffer.from(child.path), name, stat.device);
      if (entry !== undefined) yield entry;
      continue;
    }
    try {
      // A link on the way (/var/run) is followed, for the path asked for lies behind it; the tree has a directory in its place.
      const stat = statDirectory(child.path);
      if ((stat.mode & fileType.mask) !== fileType.dir) continue;
      const meta = walker.meta(Buffer.from(`${child.path}/.`), name, stat);
      yield { kind: 'dir', meta, list: once(Buffer.from(child.path), () => onTheWay(child, walker, warn)) };
    } catch (error) {
      warn({ item: child.path, detail: error instanceof Error ? error.message : String(error) });
    }
  }
}
