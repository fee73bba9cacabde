// A repository in a directory, in restic's default layout: a local disk or a mounted share.
import { type FileHandle, lstat, open, readdir, unlink } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { errnoOf, fail } from '../base/errors.ts';
import type { Backend, FileKind, StoredFile } from '../ports/backend.ts';
import { folderOf, isFileName, isShardName, keyOf } from './layout.ts';
import { type Attempt, isTemporaryName, localFailure, makeFolder, readFully, syncFolder, writeDurably } from './local-files.ts';
import { checkLocalMarker } from './local-marker.ts';
import { openReserve } from './local-reserve.ts';

export interface LocalOptions {
  /** Absolute path of the pool's directory. It is never made here. */
  readonly root: string;
  /** `<vault>/<agent-id>` below it, or '' where the root is the repository. */
  readonly path: string;
  /** The id that the pool's marker must carry whenever something is missing; undefined: the marker is not asked for. */
  readonly poolId?: string;
  /** This repository is opened to give space back: what does not fit may have the pool's reserve. Pools without a marker have none. */
  readonly spendReserve?: boolean;
}

/** An unfinished file of ours is a crash's once it is so old (milliseconds). */
const abandoned = 24 * 60 * 60 * 1000;
/** Files asked for their size at a time: enough to keep Node's four file threads busy. */
const statsAtATime = 64;

/**
 * Files are made 0400, directories 0700. What a crash left unfinished is removed by the first save into the same directory a day later.
 *
 * Where a file or directory is missing, the pool's marker is asked for first: a share that went away looks like an empty directory, and neither
 * may a listing come out empty for that reason, nor may a save go to the disk below the mount point.
 *
 * A marked pool keeps a reserve (local-reserve.ts), so that there is room for a prune when nothing else fits any more.
 */
export function localBackend(options: LocalOptions): Backend {
  const root = resolve(options.root);
  const location = resolve(root, options.path);
  if (location !== root && relative(root, location).startsWith('..')) fail('INTERNAL', { detail: `${options.path} leaves the pool` });
  const place = { type: 'local', path: root } as const;
  /** Directories that this backend has looked after already: made durable, and cleared of what a crash left. */
  const prepared = new Map<string, Promise<void>>();
  /** Under way: who closes after a failure waits for the others, so that the end of the process leaves no half of a file. */
  const saves = new Set<Promise<void>>();

  const attempt = (operation: string, right: Attempt['right'], kind: FileKind, name: string): Attempt => {
    return { operation, right, kind, name, location };
  };
  const mustBeMounted = async () => {
    if (options.poolId !== undefined) await checkLocalMarker(place, options.poolId);
  };
  const reserve =
    options.poolId === undefined ? undefined : openReserve({ folder: root, spend: options.spendReserve ?? false, mustBeMounted });

  const prepare = (folder: string) => {
    let done = prepared.get(folder);
    if (done === undefined) {
      done = prepareFolder(folder);
      prepared.set(folder, done);
      done.catch(() => prepared.delete(folder));
    }
    return done;
  };
  const prepareFolder = async (folder: string) => {
    const names = await namesIn(folder);
    if (names !== undefined) return await removeAbandoned(folder, names);
    await mustBeMounted();
    await makeFolder(root, folder);
  };

  const openFile = async (tried: Attempt, kind: FileKind, name: string): Promise<FileHandle> => {
    try {
      return await open(join(location, keyOf(kind, name)), 'r');
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw localFailure(error, tried);
      await mustBeMounted();
      return fail('BACKEND_NOT_FOUND', { kind, name, location }, { cause: error });
    }
  };

  const save = async (kind: FileKind, name: string, bytes: Uint8Array) => {
    const folder = join(location, folderOf(kind, name));
    const write = async () => {
      await prepare(folder);
      await writeDurably(folder, name, bytes).catch(async (error: unknown) => {
        if (errnoOf(error) !== 'ENOENT') throw error;
        prepared.delete(folder);
        await prepare(folder);
        await writeDurably(folder, name, bytes);
      });
    };
    try {
      if (reserve === undefined) return await write();
      if (kind === 'data') await reserve.hold();
      await reserve.withRoom(write);
    } catch (error) {
      throw localFailure(error, attempt('save', 'put', kind, name));
    }
  };

  return {
    location,
    connections: 4,

    save(kind, name, bytes) {
      const saving = save(kind, name, bytes);
      const settled = saving.then(
        () => void saves.delete(settled),
        () => void saves.delete(settled),
      );
      saves.add(settled);
      return saving;
    },

    async load(kind, name, range) {
      const tried = attempt('load', 'get', kind, name);
      const file = await openFile(tried, kind, name);
      try {
        const length = range === undefined ? (await file.stat()).size : range.length;
        const bytes = await readFully(file, range?.offset ?? 0, length);
        if (bytes.length !== length) fail('BACKEND_SHORT', { kind, name, location });
        return bytes;
      } catch (error) {
        throw localFailure(error, tried);
      } finally {
        await file.close();
      }
    },

    async stat(kind, name) {
      const tried = attempt('stat', 'get', kind, name);
      try {
        return { name, size: (await lstat(join(location, keyOf(kind, name)))).size };
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw localFailure(error, tried);
        await mustBeMounted();
        return fail('BACKEND_NOT_FOUND', { kind, name, location }, { cause: error });
      }
    },

    async dateOf(kind, name) {
      const tried = attempt('stat', 'get', kind, name);
      // Of an open file, so that a share asks its server.
      const file = await openFile(tried, kind, name);
      try {
        return (await file.stat()).mtimeMs;
      } catch (error) {
        throw localFailure(error, tried);
      } finally {
        await file.close();
      }
    },

    async *list(kind) {
      try {
        if (kind !== 'data') {
          const folder = kind === 'config' ? location : join(location, kind);
          yield* sized(folder, kind, (await namesIn(folder)) ?? (await mustBeMounted()) ?? []);
          return;
        }
        const shards = (await namesIn(join(location, 'data'))) ?? (await mustBeMounted()) ?? [];
        for (const shard of shards.filter(isShardName)) {
          const folder = join(location, 'data', shard);
          const names = (await namesIn(folder)) ?? [];
          yield* sized(
            folder,
            kind,
            names.filter((name) => name.startsWith(shard)),
          );
        }
      } catch (error) {
        throw localFailure(error, attempt('list', 'list', kind, ''));
      }
    },

    async remove(kind, name) {
      try {
        await unlink(join(location, keyOf(kind, name)));
        // Prune removes an index before the packs that it names: that order must survive a power cut, the order among packs need not.
        if (kind !== 'data') await syncFolder(join(location, folderOf(kind, name)));
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw localFailure(error, attempt('remove', 'delete', kind, name));
        await mustBeMounted();
      }
    },

    async close() {
      await Promise.all(saves);
      await reserve?.restore();
    },
  };
}

/** The names in a directory, or undefined where it is missing. */
async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The regular files among `names` that are a repository's, with their sizes; one that was removed meanwhile is left out. */
async function* sized(folder: string, kind: FileKind, names: readonly string[]): AsyncGenerator<StoredFile> {
  const files = names.filter((name) => isFileName(kind, name));
  for (let at = 0; at < files.length; at += statsAtATime) {
    const some = files.slice(at, at + statsAtATime).map(async (name) => {
      const info = await infoOf(join(folder, name));
      return info?.isFile() ? { name, size: info.size } : undefined;
    });
    for (const file of await Promise.all(some)) if (file !== undefined) yield file;
  }
}

async function removeAbandoned(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names.filter(isTemporaryName)) {
    const info = await infoOf(join(folder, name));
    if (info !== undefined && Date.now() - info.mtimeMs > abandoned) await unlink(join(folder, name)).catch(() => undefined);
  }
}

async function infoOf(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
