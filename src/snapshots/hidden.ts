// The directory at the top of a mounted file system where images lie. The top may belong to somebody else (a database's own volume), who could
// put a link in our directory's place at any moment: so it is opened once, looked at, and everything in it is reached through the descriptor.
import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { joined } from '../model/place.ts';
import { imageDirectory } from '../model/snapshot.ts';
import { ownerOf } from './names.ts';

export interface Hidden {
  /** Leads to the directory as it was opened, for this process and those it starts. */
  readonly path: string;
  /** Its real name, for messages. */
  readonly shown: string;
  close(): void;
}

/** Makes it where it is not there. Throws system errors, and where the name is taken by something that is not ours. */
export function makeHidden(top: string): Hidden {
  const shown = joined(top, `/${imageDirectory}`);
  try {
    mkdirSync(shown, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  return open(shown);
}

/** Undefined where there is none, or none of ours. */
export function findHidden(top: string): Hidden | undefined {
  try {
    return open(joined(top, `/${imageDirectory}`));
  } catch {
    return undefined;
  }
}

function open(shown: string): Hidden {
  const fd = openSync(shown, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  let closed = false;
  const close = () => {
    if (!closed) closeSync(fd);
    closed = true;
  };
  const { uid, mode } = fstatSync(fd);
  if (uid !== process.geteuid!() || (mode & 0o077) !== 0) {
    close();
    throw new Error(`${shown} is there and does not belong to the agent alone`);
  }
  return { path: `/proc/${process.pid}/fd/${fd}`, shown, close };
}

/** Images in it whose task is not in `alive`, with the snapshot each belongs to. */
export function leftoversIn(hidden: Hidden, alive: Pick<ReadonlySet<string>, 'has'>): { readonly entry: string; readonly owner: string }[] {
  return readdirSync(hidden.path).flatMap((entry) => {
    const owner = ownerOf(entry);
    return owner !== undefined && !alive.has(owner) ? [{ entry, owner }] : [];
  });
}
