// Where the files of a database lie on this host, for the one fact that all of them give (ports/database.ts).
import { realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { isAbsolute } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import { type DatabasePlace, filesFact } from '../ports/database.ts';
import type { FreezeFacts } from '../ports/quiescer.ts';
import { isThisHost } from './settings.ts';

/**
 * The fact of where `database` keeps its files, from the paths that the server says. `host`: where it was reached, empty for a socket. A server
 * in a container says paths that are not there; one elsewhere, paths that are not those of this host.
 */
export async function filesFacts(database: string, host: string, said: readonly DatabasePlace[]): Promise<FreezeFacts> {
  const here = host === '' || isThisHost(host) || host === hostname();
  const places = await Promise.all(said.map((place) => (here ? seenPlace(place) : { holds: place.holds, unseen: `it runs on ${host}` })));
  const known = new Set<string>();
  const once = places.filter((place) => {
    const what = 'path' in place ? place.path : JSON.stringify(place);
    return !known.has(what) && known.add(what);
  });
  return { [filesFact(database)]: JSON.stringify(once) };
}

async function seenPlace(place: DatabasePlace): Promise<DatabasePlace> {
  if (!('path' in place)) return place;
  const { holds, path } = place;
  if (!isAbsolute(path)) return { holds, unseen: `${path} is no path of this host` };
  try {
    return { holds, path: await realpath(path) };
  } catch (error) {
    return { holds, unseen: errnoOf(error) === 'ENOENT' ? `there is no ${path} on this host` : (error as Error).message };
  }
}
