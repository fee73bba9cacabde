// Which processes of the host can write to the target at this moment.
import { readdirSync } from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { errnoOf, failure } from '../../base/errors.ts';
import { readHost } from '../file-systems/host.ts';
import { sharedMappings } from './mappings.ts';
import { writersName } from './name.ts';
import { type MountTable, mountTable, writesTo } from './open-files.ts';
import { bornAt, nameOf } from './process.ts';
import type { Target } from './target.ts';

export interface Writer {
  readonly pid: number;
  readonly start: string;
  readonly name: string;
}

/** Between two looks at the clock (processes). */
const atOnce = 25;

/**
 * One that opens a file, writes and closes it again is seen only if it does so while it is looked at. `isOwn`: who does not count.
 * Rejects where a process may not be looked into, when the signal comes and when it takes longer than `ms`.
 */
export async function findWriters(
  target: Target,
  isOwn: (pid: number) => boolean,
  ms: number,
  signal: AbortSignal,
): Promise<readonly Writer[]> {
  const candidates = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), start: bornAt(Number(name)) }))
    .filter(({ start }) => start !== '');
  const mapping = sharedMappings(
    candidates.map(({ pid }) => pid),
    ms,
    signal,
  );
  mapping.catch(() => undefined);
  const mounts = mountTable(target, readHost());
  const writing = new Set<number>();
  for (const [i, { pid }] of candidates.entries()) {
    if (i % atOnce === 0) await breathe();
    signal.throwIfAborted();
    if (doesWrite(pid, target, mounts)) writing.add(pid);
  }
  for (const { pid, device, inode } of await mapping) {
    // A btrfs may have the same inode number in another subvolume: then one process too many is stopped.
    const isFile = target.files.get(device)?.some((file) => file.inode === inode);
    if (target.devices.has(device) || mounts.layers.has(device) || isFile) writing.add(pid);
  }
  const others = candidates.filter(({ pid }) => writing.has(pid) && !isOwn(pid));
  return others.map(({ pid, start }) => ({ pid, start, name: `${nameOf(pid)} (${pid})` }));
}

/** Some virtual machines are run by a first process that not even root may look into; it is no application. Any other is a reason not to begin. */
function doesWrite(pid: number, target: Target, mounts: MountTable): boolean {
  try {
    return writesTo(pid, target, mounts);
  } catch (error) {
    const code = errnoOf(error) ?? String(error);
    if (pid === 1 && code === 'EACCES') return false;
    throw failure(
      'FREEZE_REFUSED',
      { name: writersName, detail: `${nameOf(pid)} (${pid}) may not be looked into (${code})` },
      { cause: error },
    );
  }
}
