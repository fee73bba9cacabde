// What is known of the locks in a bucket, so that not every lock has to be asked for at every backup. Losing it costs requests, nothing else:
// a lock in compliance mode never becomes shorter.
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface LockMemory {
  /** Until when (ms) the version of the object is locked at least, undefined if nobody knows. */
  get(key: string, version: string): number | undefined;
  set(key: string, version: string, until: number): void;
  /** Keeps what is still locked at `now` for the next task. */
  keep(now: number): void;
}

/** `path`: the file that outlives the task; without it, or where it cannot be used, the memory is this task's alone. */
export function lockMemory(path?: string): LockMemory {
  const known = new Map<string, number>(path === undefined ? [] : readKnown(path));
  const line = (key: string, version: string) => `${key} ${version}`;
  return {
    get: (key, version) => known.get(line(key, version)),
    set: (key, version, until) => void known.set(line(key, version), Math.max(until, known.get(line(key, version)) ?? 0)),
    keep(now) {
      if (path === undefined || !isOwn(dirname(path))) return;
      const lasting = [...known].filter(([, until]) => until > now);
      const fresh = `${path}.${process.pid}`;
      try {
        writeFileSync(fresh, JSON.stringify(lasting), { mode: 0o600, flag: 'wx' });
        renameSync(fresh, path);
      } catch {
        // A full disk: the next backup asks the store instead.
      }
    },
  };
}

function readKnown(path: string): readonly (readonly [string, number])[] {
  try {
    const read = JSON.parse(readFileSync(path, 'utf8')) as unknown;
    return Array.isArray(read)
      ? read.filter((entry) => Array.isArray(entry) && typeof entry[0] === 'string' && Number.isFinite(entry[1]))
      : [];
  } catch {
    return [];
  }
}

/** A task with more rights than the directory's owner writes nothing there. */
function isOwn(directory: string): boolean {
  try {
    return statSync(directory).uid === process.geteuid?.();
  } catch {
    return false;
  }
}
