// Pools that are directories.
import { open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, fail } from '../base/errors.ts';
import type { LocalPlace } from '../model/pool.ts';
import type { ProbeStep } from '../ports/backend.ts';
import { limited } from './limited.ts';
import { localBackend } from './local.ts';
import { type Attempt, localFailure, readFully, writeDurably } from './local-files.ts';
import { bindLocalPool, checkLocalMarker, needDirectory, readLocalMarker } from './local-marker.ts';
import { type ProbeDoor, tryRights } from './probe.ts';
import { type PoolProvider, placeOf } from './provider.ts';

export const localPool: PoolProvider = {
  type: 'local',

  async open(vault, deps) {
    const place = placeOf(vault.pool, 'local');
    const { id } = vault.pool;
    if (vault.immutableDays) fail('POOL_NO_OBJECT_LOCK', { location: place.path, detail: 'it is a directory, not a bucket' });
    if (vault.at !== undefined) fail('POOL_NO_OBJECT_LOCK', { location: place.path, detail: 'a directory keeps no versions' });
    if (id === undefined) await needDirectory(place, false);
    else await checkLocalMarker(place, id);
    const marked = id === undefined ? {} : { poolId: id, spendReserve: deps.spendReserve ?? false };
    return limited(localBackend({ root: place.path, path: vault.path, ...marked }), deps.limit);
  },

  async probe(pool, create) {
    const place = placeOf(pool, 'local');
    await needDirectory(place, create);
    const made: ProbeStep[] = create ? [{ right: 'create', ok: true }] : [];
    return { steps: [...made, ...(await tryRights(directoryDoor(place)))] };
  },

  bind: (pool, id, create) => bindLocalPool(placeOf(pool, 'local'), id, create),
  markerOf: (pool) => readLocalMarker(placeOf(pool, 'local')),
};

function directoryDoor(place: LocalPlace): ProbeDoor {
  const guarded = async <T>(right: Attempt['right'], name: string, act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      throw localFailure(error, { operation: right, right, kind: 'probe', name, location: place.path });
    }
  };
  const read = async (name: string, offset: number, length: number) => {
    const file = await open(join(place.path, name), 'r');
    try {
      return await readFully(file, offset, length);
    } finally {
      await file.close();
    }
  };

  return {
    put: (name, bytes) => guarded('put', name, () => writeDurably(place.path, name, bytes)),
    get: (name) => guarded('get', name, () => read(name, 0, 4096)),
    range: (name, offset, length) => guarded('get', name, () => read(name, offset, length)),
    list: (name) => guarded('list', name, async () => (await readdir(place.path)).filter((found) => found.startsWith(name))),
    remove: (name) =>
      guarded('delete', name, async () => {
        await unlink(join(place.path, name)).catch((error: unknown) => {
          if (errnoOf(error) !== 'ENOENT') throw error;
        });
      }),
  };
}
