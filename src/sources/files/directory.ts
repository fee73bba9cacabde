// A directory of the target while something in it is under way. It stays open until the last entry in it is done; then what does not belong
// there is deleted and its own metadata is set, so that nothing changes its times any more. Children hold their parent: the deepest end first.
import { errnoOf, failure } from '../../base/errors.ts';
import { atCwd, close, mkdirAt, open, openAt } from '../../base/libc.ts';
import { openDirectory, readNames } from '../../base/libc-dir.ts';
import { applyMeta } from '../../base/libc-meta.ts';
import { type FileStat, fileType, statFd } from '../../base/libc-stat.ts';
import { openPlainDirectory } from '../../base/plain-directory.ts';
import type { NodeMeta } from '../../model/node.ts';
import { removeTree } from './removal.ts';

export interface Directory {
  readonly fd: number;
  /** Where it is in the target, printable. */
  readonly path: string;
  /** Nothing was here before: what is to be made cannot exist. */
  readonly fresh: boolean;
  /** The top of a mounted file system. */
  readonly mounted: boolean;
  /** Names that belong here; what is not among them is deleted at the end. Undefined: nothing is. */
  keep: Set<string> | undefined;
  /** Metadata for the end. */
  meta: NodeMeta | undefined;
  hold(): void;
  release(): void;
  /** Lends an open descriptor, even after the end. */
  reopen<T>(use: (fd: number) => T): T;
}

/** Whether a directory with all below it may be removed to make room for another entry. */
export type WholeTrees = (directory: Directory, name: Buffer) => boolean;

export interface DirectoryKeeper {
  /** The directory that all is restored below; made if it is not there. `plain`: through no link. */
  top(path: string, plain: boolean): Directory;
  /** Opens `name`, which exists. `follow`: through a symbolic link. */
  enter(parent: Directory, name: Buffer, follow: boolean): Directory;
  create(parent: Directory, name: Buffer): Directory;
  /** How many are open now. */
  count(): number;
}

export interface DirectoryEvents {
  warn(path: string, detail: string): void;
  deleted(count: number): void;
  /** May not be deleted. */
  guarded(path: string): boolean;
}

/** How a directory was come to. */
interface Above {
  readonly parent: Directory;
  readonly name: Buffer;
  readonly follow: boolean;
}

function openChild(parent: number, name: Buffer, follow: boolean): number {
  return follow ? openAt(parent, name, open.readOnly | open.directory) : openDirectory(parent, name);
}

export function directoryKeeper(events: DirectoryEvents): DirectoryKeeper {
  let count = 0;

  function make(fd: number, path: string, stat: FileStat, fresh: boolean, above?: Above): Directory {
    let holds = 1;
    count++;
    above?.parent.hold();

    function end(): void {
      if (directory.keep !== undefined) deleteOthers(directory, directory.keep, events);
      if (directory.meta !== undefined) for (const detail of applyMeta(fd, directory.meta)) events.warn(path, `cannot set ${detail}`);
      count--;
      close(fd);
      above?.parent.release();
    }

    const directory: Directory = {
      fd,
      path,
      fresh,
      mounted: stat.mountRoot || (above !== undefined && stat.device !== statFd(above.parent.fd).device),
      keep: undefined,
      meta: undefined,
      hold() {
        holds++;
      },
      release() {
        if (--holds === 0) end();
      },
      reopen(use) {
        if (holds > 0 || above === undefined) return use(fd);
        return above.parent.reopen((parentFd) => {
          const again = openChild(parentFd, above.name, above.follow);
          try {
            return use(again);
          } finally {
            close(again);
          }
        });
      },
    };
    return directory;
  }

  return {
    count: () => count,
    top(path, plain) {
      if (!plain) makeWithParents(path);
      const fd = openTarget(path, plain, true);
      return make(fd, path, statFd(fd), false);
    },
    enter(parent, name, follow) {
      const fd = openChild(parent.fd, name, follow);
      return make(fd, childPath(parent.path, name), statFd(fd), false, { parent, name, follow });
    },
    create(parent, name) {
      mkdirAt(parent.fd, name, 0o700);
      const fd = openDirectory(parent.fd, name);
      return make(fd, childPath(parent.path, name), statFd(fd), true, { parent, name, follow: false });
    },
  };
}

export function childPath(parent: string, name: Buffer): string {
  return `${parent === '/' ? '' : parent}/${name.toString()}`;
}

/** The target itself may be reached through links, where that is the operator's own choice. Throws TARGET_FAILED. */
export function openTarget(path: string, plain = false, make = false): number {
  try {
    return plain ? openPlainDirectory(path, make) : openAt(atCwd, path, open.readOnly | open.directory);
  } catch (cause) {
    throw failure('TARGET_FAILED', { path, detail: errnoOf(cause) ?? String(cause) }, { cause });
  }
}

function makeWithParents(path: string): void {
  try {
    mkdirAt(atCwd, path, 0o700);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST') return;
    const cut = path.lastIndexOf('/');
    if (code !== 'ENOENT' || cut <= 0) throw failure('TARGET_FAILED', { path, detail: code ?? String(error) }, { cause: error });
    makeWithParents(path.slice(0, cut));
    mkdirAt(atCwd, path, 0o700);
  }
}

function deleteOthers(directory: Directory, keep: ReadonlySet<string>, events: DirectoryEvents): void {
  try {
    // A descriptor of its own, because reading moves the offset.
    const fd = openDirectory(directory.fd, '.');
    try {
      for (const name of readNames(fd)) if (!keep.has(name)) deleteOne(directory, Buffer.from(name, 'latin1'), events);
    } finally {
      close(fd);
    }
  } catch (error) {
    events.warn(directory.path, `cannot look for what to delete: ${errnoOf(error) ?? error}`);
  }
}

function deleteOne(directory: Directory, name: Buffer, events: DirectoryEvents): void {
  const path = childPath(directory.path, name);
  if (events.guarded(path)) return;
  try {
    events.deleted(removeTree(directory.fd, name));
  } catch (error) {
    events.warn(path, `cannot delete it: ${error instanceof Error ? error.message : error}`);
  }
}

/** Whether an entry found in the target is the directory that is wanted there. */
export function isDirectory(stat: FileStat): boolean {
  return (stat.mode & fileType.mask) === fileType.dir;
}
