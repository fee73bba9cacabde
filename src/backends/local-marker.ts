// The marker of a pool that is a directory: what tells "not mounted" from "empty".
import { link, mkdir, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, fail } from '../base/errors.ts';
import type { LocalPlace } from '../model/pool.ts';
import { localFailure, syncFolder, temporaryName, writeDurably } from './local-files.ts';
import { checkMarker, markerBytes, markerName, poolIn } from './marker.ts';

/** The pool id in a directory's marker; undefined without one, and where the directory itself is missing. */
export async function readLocalMarker(place: LocalPlace): Promise<string | undefined> {
  try {
    return poolIn(await readFile(join(place.path, markerName)));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw localFailure(error, { operation: 'read', right: 'get', kind: 'marker', name: markerName, location: place.path });
  }
}

/** Throws POOL_MARKER_MISSING or POOL_MARKER_FOREIGN unless the directory carries the pool's marker. */
export async function checkLocalMarker(place: LocalPlace, id: string): Promise<void> {
  checkMarker(await readLocalMarker(place), id, place.path);
}

/** Makes sure that the directory is there. Throws POOL_NOT_FOUND; with `create` it is made, durably, with what is missing above it. */
export async function needDirectory(place: LocalPlace, create: boolean): Promise<void> {
  const found = await stat(place.path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw localFailure(error, { operation: 'open', right: 'list', kind: 'pool', name: place.path, location: place.path });
  });
  if (found?.isDirectory()) return;
  if (found !== undefined || !create) fail('POOL_NOT_FOUND', { location: place.path });
  try {
    const first = await mkdir(place.path, { recursive: true, mode: 0o700 });
    for (let folder = place.path; first !== undefined && folder.length >= first.length; folder = dirname(folder)) {
      await syncFolder(dirname(folder));
    }
  } catch (error) {
    throw localFailure(error, { operation: 'create', right: 'create', kind: 'pool', name: place.path, location: place.path });
  }
}

/**
 * Marks the directory as pool `id`; a directory that carries that marker already is left as it is. Of two agents that bind at the same time
 * one wins and the other gets POOL_MARKER_FOREIGN.
 */
export async function bindLocalPool(place: LocalPlace, id: string, create: boolean): Promise<void> {
  await needDirectory(place, create);
  if ((await readLocalMarker(place)) === undefined) await writeMarker(place, id);
  await checkLocalMarker(place, id);
}

async function writeMarker(place: LocalPlace, id: string): Promise<void> {
  const prepared = temporaryName(markerName);
  try {
    await writeDurably(place.path, prepared, markerBytes(id));
    try {
      // A link never replaces a marker that somebody else has just written; a rename would.
      await link(join(place.path, prepared), join(place.path, markerName));
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return;
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(errnoOf(error) ?? '')) throw error;
      await writeDurably(place.path, markerName, markerBytes(id));
    }
    await syncFolder(place.path);
  } catch (error) {
    throw localFailure(error, { operation: 'write', right: 'put', kind: 'marker', name: markerName, location: place.path });
  } finally {
    await unlink(join(place.path, prepared)).catch(() => undefined);
  }
}
