// Files and directories as a backup reads them.
import { errnoOf, fail, failure } from '../../base/errors.ts';
import { type FileStat, fileType, statAt, statDirectory } from '../../base/libc-stat.ts';
import { mountPointsBelow } from '../../base/mounts.ts';
import type { FilesSource } from '../../model/plan.ts';
import type { Entry, Source, Warn } from '../../ports/source.ts';
import { compileExcludes, readExcludeFiles } from './patterns.ts';
import { normalizePaths, type RootNode, rootTree } from './roots.ts';
import { liveDevice, once, type Place, type Walk, walk } from './walk.ts';

export interface FilesSourceOptions {
  readonly warn: Warn;
  /** Absolute paths that are never read: the vault itself, the agent's own temporary files. */
  readonly selfExclude?: readonly string[];
  /** Where a live path (one of `settings`, or anything below) is read: in an image of it. The tree, patterns and messages go by live paths. */
  readonly placeOf?: (livePath: string) => string;
}

const cwd = -100;

/**
 * Opens the paths of `settings`; the tree has all components of their absolute paths, as restic's has.
 * Throws SOURCE_MISSING for a path that does not exist, SOURCE_UNREADABLE, USAGE for a malformed pattern or no paths but the agent's own.
 */
export async function filesSource(settings: FilesSource, options: FilesSourceOptions): Promise<Source> {
  const own = normalizePaths(options.selfExclude ?? []);
  const paths = othersOf(normalizePaths(settings.paths), own, options.warn);
  const excludes = [...settings.excludes, ...(await readExcludeFiles(settings.excludeFiles))];
  const { placeOf } = options;
  const place = placeOf ?? ((path: string) => path);
  const rootDevices = new Map(paths.map((path) => [path, rootStat(path, place).device]));
  const walker = walk(
    {
      excludes: compileExcludes(excludes),
      never: new Set(own),
      excludeCaches: settings.excludeCaches,
      oneFileSystem: settings.oneFileSystem,
      rootDevices,
      placeOf,
      liveDevices: new Map([...rootDevices].map(([path, device]) => [device, liveDevice(path) ?? device])),
      mountPoints: placeOf && new Set(paths.flatMap((path) => mountPointsBelow(path).map(({ seen }) => seen))),
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
      return listRoot(rootTree(paths), walker, place, options.warn);
    },
    async finish() {},
    async close() {
      closed = true;
    },
  };
}

/** A vault that holds itself would grow with every backup. Throws USAGE where nothing else is named. */
function othersOf(paths: readonly string[], own: readonly string[], warn: Warn): readonly string[] {
  if (paths.length === 0) fail('USAGE', { detail: 'no path to back up is named' });
  const isOwn = (path: string) => own.some((one) => path === one || path.startsWith(`${one}/`));
  const others = paths.filter((path) => !isOwn(path));
  const detail = 'it belongs to the agent, or is where its backups go, and is not backed up';
  if (others.length === 0) fail('USAGE', { detail: `${paths[0]}: ${detail}` });
  for (const path of paths) if (isOwn(path)) warn({ item: path, detail });
  return others;
}

type PlaceOf = (path: string) => string;

function rootStat(path: string, placeOf: PlaceOf): FileStat {
  try {
    return statAt(cwd, placeOf(path));
  } catch (cause) {
    const code = errnoOf(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw failure('SOURCE_MISSING', { path }, { cause });
    throw failure('SOURCE_UNREADABLE', { path, detail: code ?? String(cause) }, { cause });
  }
}

/** One path for both where it is read where it lies. */
function placed(path: string, placeOf: PlaceOf): Place {
  const live = Buffer.from(path);
  const image = placeOf(path);
  return { live, image: image === path ? live : Buffer.from(image) };
}

/** The root's children: those on the way to the paths asked for, or, where "/" itself was, all. */
async function* listRoot(root: RootNode, walker: Walk, placeOf: PlaceOf, warn: Warn): AsyncGenerator<Entry> {
  if (!root.whole) {
    yield* onTheWay(root, walker, placeOf, warn);
    return;
  }
  const whole = walker.entry(placed('/', placeOf), Buffer.from('/'), rootStat('/', placeOf).device);
  if (whole?.kind === 'dir') yield* whole.list();
}

/** The directories that only lead to what was asked for are read where they lie: they are in no image. */
async function* onTheWay(node: RootNode, walker: Walk, placeOf: PlaceOf, warn: Warn): AsyncGenerator<Entry> {
  for (const key of [...node.children.keys()].sort((a, b) => (a < b ? -1 : 1))) {
    const child = node.children.get(key)!;
    const name = Buffer.from(key, 'latin1');
    if (child.whole) {
      const stat = rootStat(child.path, placeOf);
      const entry = walker.entry(placed(child.path, placeOf), name, stat.device);
      if (entry !== undefined) yield entry;
      continue;
    }
    try {
      // A link on the way (/var/run) is followed, for the path asked for lies behind it; the tree has a directory in its place.
      const stat = statDirectory(child.path);
      if ((stat.mode & fileType.mask) !== fileType.dir) continue;
      const meta = walker.meta(Buffer.from(`${child.path}/.`), name, stat);
      yield { kind: 'dir', meta, list: once(Buffer.from(child.path), () => onTheWay(child, walker, placeOf, warn)) };
    } catch (error) {
      warn({ item: child.path, detail: error instanceof Error ? error.message : String(error) });
    }
  }
}
