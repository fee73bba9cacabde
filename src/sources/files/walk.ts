// Walks directories, one at a time, in the order of the names' bytes.

import { isUtf8 } from 'node:buffer';
import { readSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { close, open, openAt } from '../../base/libc.ts';
import { namesIn } from '../../base/libc-dir.ts';
import { type FileStat, fileType, statAt } from '../../base/libc-stat.ts';
import type { NodeMeta } from '../../model/node.ts';
import { imageDirectory } from '../../model/snapshot.ts';
import type { Entry, Warn } from '../../ports/source.ts';
import { metaReader } from './meta.ts';
import { nameList } from './name-list.ts';
import type { Excludes } from './patterns.ts';

export interface WalkRules {
  readonly excludes: Excludes | undefined;
  /** Absolute paths, text, that are left out with all below them whatever the patterns say. */
  readonly never: ReadonlySet<string>;
  /** Only directories with a cache's tag lose their content; the tag itself stays, as in restic. */
  readonly excludeCaches: boolean;
  readonly oneFileSystem: boolean;
  /** Device numbers of the paths that were asked for: each of them begins a file system to stay on. */
  readonly rootDevices: ReadonlyMap<string, bigint>;
  /** Where a live path is read; without it, there. Everything else here goes by live paths. */
  readonly placeOf?: ((path: string) => string) | undefined;
  /**
   * Device numbers of live file systems by those of their images, which are others each time: what is kept goes by the live ones, so that
   * directories in which nothing changed stay equal. Filled as the walk comes to further images.
   */
  readonly liveDevices: Map<bigint, bigint>;
  /** Live paths, text, where other file systems are mounted: an image has what they hide, so they are read as they are. */
  readonly mountPoints?: ReadonlySet<string> | undefined;
}

export interface Walk {
  /** An entry of the walk. `device`: the file system that its parent is on. Undefined where it is left out. */
  entry(at: Place, name: Buffer, device: bigint): Entry | undefined;
  /** Metadata for a directory that only leads to what was asked for; `at` is a path whose links may be followed. */
  meta(at: Buffer, name: Buffer, stat: FileStat): NodeMeta;
}

/** An entry's live path, and the path where it is read. Where that is the same, it is the same memory. */
export interface Place {
  readonly live: Buffer;
  readonly image: Buffer;
}

const cwd = -100;
const slash = 0x2f;
/** What a btrfs image has in place of a subvolume that was not imaged (include/uapi/linux/btrfs_tree.h); elsewhere at most a root. */
const emptyStub = 2n;
const cacheTag = 'CACHEDIR.TAG';
const imageDirectoryName = Buffer.from(imageDirectory);
/** https://bford.info/cachedir/ */
const cacheSignature = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55');

export function walk(rules: WalkRules, warn: Warn): Walk {
  const metas = metaReader();

  function problemWith(path: Buffer): (detail: string) => void {
    return (detail) => warn({ item: path.toString(), detail });
  }

  function entry(at: Place, name: Buffer, device: bigint): Entry | undefined {
    const { live } = at;
    let text: string | undefined;
    if (rules.excludes !== undefined || rules.never.size > 0 || rules.oneFileSystem) {
      text = live.toString();
      if (rules.excludes?.(text) || rules.never.has(text)) return undefined;
    }
    try {
      let { image } = at;
      let stat = statAt(cwd, image);
      const isPoint =
        image !== live && rules.mountPoints !== undefined && rules.mountPoints.size > 0 && rules.mountPoints.has(live.toString());
      if (image !== live && (isPoint || (stat.mode & fileType.mask) === fileType.dir)) {
        const own = imageOf(at, rules);
        // Another image begins here (a subvolume of its own).
        if (own !== image) {
          stat = statAt(cwd, own);
          rules.liveDevices.set(stat.device, liveDevice(live) ?? stat.device);
          image = own;
        } else if (isPoint) {
          // Better as it is than not at all; the mark of the backup tells. What is hidden below it is not what is seen there.
          stat = statAt(cwd, live);
          image = live;
        } else if (stat.inode === emptyStub && !rules.rootDevices.has(live.toString())) {
          warn({ item: live.toString(), detail: 'is a subvolume that was made while the snapshot was prepared: it is read as it is now' });
          stat = statAt(cwd, live);
          image = live;
        }
      }
      const type = stat.mode & fileType.mask;
      const foreign = rules.oneFileSystem && stat.device !== (rules.rootDevices.get(text!) ?? device);
      // As in restic: a mount point stays as an empty directory, so that a restored system has it.
      if (foreign && type !== fileType.dir) return undefined;
      if (type === fileType.dir && holdsImages(name, stat)) return undefined;
      const read = metas.read(image, name, stat, problemWith(live));
      const meta = image === live ? read : { ...read, deviceId: rules.liveDevices.get(stat.device) ?? stat.device };
      if (type === fileType.dir)
        return { kind: 'dir', meta, list: once(live, foreign ? empty : () => children({ live, image }, stat.device)) };
      if (type !== fileType.file) return { kind: 'other', meta };
      return {
        kind: 'file',
        meta,
        content: {
          kind: 'path',
          path: image,
          offset: 0,
          length: meta.size,
          chunking: { kind: 'content' },
          regular: true,
          ...(image === live ? {} : { identity: read }),
        },
      };
    } catch (error) {
      warn({ item: live.toString(), detail: describe(error) });
      return undefined;
    }
  }

  async function* children({ live, image }: Place, device: bigint): AsyncGenerator<Entry> {
    let names: string[];
    try {
      names = namesIn(cwd, image).sort(byBytes);
    } catch (error) {
      warn({ item: live.toString(), detail: describe(error) });
      return;
    }
    if (rules.excludeCaches && names.includes(cacheTag) && isCache(image)) names = [cacheTag];
    const livePrefix = withSlash(live);
    const imagePrefix = live === image ? livePrefix : withSlash(image);
    for (const name of nameList(names)) {
      const path = childOf(livePrefix, name);
      const place = { live: path, image: live === image ? path : childOf(imagePrefix, name) };
      // The name is a view of the end of the path: one allocation for both.
      const found = entry(place, path.subarray(livePrefix.length), device);
      if (found !== undefined) yield found;
    }
  }

  return { entry, meta: (at, name, stat) => metas.read(at, name, stat, problemWith(at)) };
}

/** Undefined where it is gone meanwhile. */
export function liveDevice(live: Buffer | string): bigint | undefined {
  try {
    return statAt(cwd, live).device;
  } catch {
    return undefined;
  }
}

/** Where a directory is read: mostly in its parent's image. The map of paths knows text, so a name that is none stays there. */
function imageOf({ live, image }: Place, { placeOf }: WalkRules): Buffer {
  if (!isUtf8(live)) return image;
  const own = Buffer.from(placeOf!(live.toString()));
  return own.equals(image) ? image : own;
}

/** Snapshots of ours (of this task, of another, of one that died) are no part of what is backed up. */
function holdsImages(name: Buffer, { uid, mode }: FileStat): boolean {
  return name.equals(imageDirectoryName) && uid === process.geteuid!() && (mode & 0o077) === 0;
}

const withSlash = (path: Buffer): Buffer => (path.length === 1 && path[0] === slash ? path : Buffer.concat([path, Buffer.of(slash)]));

function childOf(prefix: Buffer, name: string): Buffer {
  const path = pathMemory(prefix.length + name.length);
  path.set(prefix);
  path.write(name, prefix.length, 'latin1');
  return path;
}

/** Paths lie side by side: memory of its own for each costs more than the path, and is given back late. */
const pathsTogether = 16 << 10;
let memory = new ArrayBuffer(0);
let used = 0;

function pathMemory(length: number): Buffer {
  if (used + length > memory.byteLength) {
    memory = new ArrayBuffer(Math.max(length, pathsTogether));
    used = 0;
  }
  used += length;
  return Buffer.from(memory, used - length, length);
}

/** The default order of strings is that of their code units, which here are bytes. */
function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function* empty(): AsyncGenerator<Entry> {}

/** A directory is read once; a second reading would be a defect that doubles work unseen. */
export function once(path: Buffer, list: () => AsyncIterable<Entry>): () => AsyncIterable<Entry> {
  let listed = false;
  return () => {
    if (listed) throw new Error(`the directory ${path.toString()} is listed twice`);
    listed = true;
    return list();
  };
}

function isCache(directory: Buffer): boolean {
  try {
    const path = Buffer.concat([directory, Buffer.from(`/${cacheTag}`)]);
    const fd = openAt(cwd, path, open.readOnly | open.noFollow | open.nonBlock);
    try {
      const start = Buffer.alloc(cacheSignature.length);
      readSync(fd, start, 0, start.length, 0);
      return start.equals(cacheSignature);
    } finally {
      close(fd);
    }
  } catch {
    // Not a file or not readable: not a valid tag, so the directory is backed up.
    return false;
  }
}

function describe(error: unknown): string {
  switch (errnoOf(error)) {
    case 'ENOENT':
      return 'vanished while it was read';
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by this user';
    case 'ENAMETOOLONG':
      return 'its path is longer than the system takes (4096 bytes)';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
