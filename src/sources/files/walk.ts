// Walks directories, one at a time, in the order of the names' bytes.

import { readSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { close, open, openAt } from '../../base/libc.ts';
import { namesIn } from '../../base/libc-dir.ts';
import { type FileStat, fileType, statAt } from '../../base/libc-stat.ts';
import type { NodeMeta } from '../../model/node.ts';
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
}

export interface Walk {
  /** An entry of the walk: `stat` is known already. `device`: the file system that its parent is on. Undefined where it is left out. */
  entry(path: Buffer, name: Buffer, device: bigint): Entry | undefined;
  /** Metadata for a directory that only leads to what was asked for; `at` is a path whose links may be followed. */
  meta(at: Buffer, name: Buffer, stat: FileStat): NodeMeta;
}

const cwd = -100;
const slash = 0x2f;
const cacheTag = 'CACHEDIR.TAG';
/** https://bford.info/cachedir/ */
const cacheSignature = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55');

export function walk(rules: WalkRules, warn: Warn): Walk {
  const metas = metaReader();

  function problemWith(path: Buffer): (detail: string) => void {
    return (detail) => warn({ item: path.toString(), detail });
  }

  function entry(path: Buffer, name: Buffer, device: bigint): Entry | undefined {
    let text: string | undefined;
    if (rules.excludes !== undefined || rules.never.size > 0 || rules.oneFileSystem) {
      text = path.toString();
      if (rules.excludes?.(text) || rules.never.has(text)) return undefined;
    }
    try {
      const stat = statAt(cwd, path);
      const type = stat.mode & fileType.mask;
      const foreign = rules.oneFileSystem && stat.device !== (rules.rootDevices.get(text!) ?? device);
      // As in restic: a mount point stays as an empty directory, so that a restored system has it.
      if (foreign && type !== fileType.dir) return undefined;
      const meta = metas.read(path, name, stat, problemWith(path));
      if (type === fileType.dir) return { kind: 'dir', meta, list: once(path, foreign ? empty : () => children(path, stat.device)) };
      if (type !== fileType.file) return { kind: 'other', meta };
      return {
        kind: 'file',
        meta,
        content: { kind: 'path', path, offset: 0, length: meta.size, chunking: { kind: 'content' }, regular: true },
      };
    } catch (error) {
      warn({ item: path.toString(), detail: describe(error) });
      return undefined;
    }
  }

  async function* children(path: Buffer, device: bigint): AsyncGenerator<Entry> {
    let names: string[];
    try {
      names = namesIn(cwd, path).sort(byBytes);
    } catch (error) {
      warn({ item: path.toString(), detail: describe(error) });
      return;
    }
    if (rules.excludeCaches && names.includes(cacheTag) && isCache(path)) names = [cacheTag];
    const prefix = path.length === 1 && path[0] === slash ? path : Buffer.concat([path, Buffer.of(slash)]);
    for (const name of nameList(names)) {
      // The name is a view of the end of the path: one allocation for both.
      const child = pathMemory(prefix.length + name.length);
      child.set(prefix);
      child.write(name, prefix.length, 'latin1');
      const found = entry(child, child.subarray(prefix.length), device);
      if (found !== undefined) yield found;
    }
  }

  return { entry, meta: (at, name, stat) => metas.read(at, name, stat, problemWith(at)) };
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
