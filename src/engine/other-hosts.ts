// Who else works in a vault: seen by the newest record and by the locks.
import { hostname } from 'node:os';
import { isCode } from '../base/errors.ts';
import type { Warning } from '../ports/source.ts';
import type { Repository } from '../repository/repository.ts';
import { loadJson } from '../repository/unpacked.ts';

/** A host that backs up daily, with a day missed (ms). */
const recentRecord = 2 * 24 * 3600_000;
/** A lock that nobody refreshes is stale after that (restic's rule; ms). */
const recentLock = 30 * 60_000;

/** A warning for each host but this one that has a lock there now or wrote the newest record within the last two days. */
export async function otherHosts(vault: Repository, now: number): Promise<Warning[]> {
  const warnings = new Map<string, Warning>();
  const note = (host: string, detail: string) => {
    if (host !== hostname() && !warnings.has(host)) warnings.set(host, { item: vault.location, detail });
  };
  for (const { host, time } of await locksOf(vault))
    if (now - Date.parse(time) < recentLock) note(host, `the host ${host} is working in it now: is it really lost?`);
  const newest = (await vault.records.list(() => undefined)).at(-1);
  if (newest && now - newest.timeMs < recentRecord)
    note(
      newest.hostname,
      `the host ${newest.hostname} made a backup there at ${new Date(newest.timeMs).toISOString()} and may go on doing so`,
    );
  return [...warnings.values()];
}

async function locksOf({ state }: Repository): Promise<{ readonly host: string; readonly time: string }[]> {
  const locks: { readonly host: string; readonly time: string }[] = [];
  for await (const { name, size } of state.backend.list('locks')) {
    if (size === 0) continue; // left by a full disk
    try {
      const lock = await loadJson<{ readonly hostname: string; readonly time: string }>(state.backend, 'locks', name, state.cipher);
      locks.push({ host: lock.hostname, time: lock.time });
    } catch (error) {
      // Released meanwhile, or unreadable: that one is in the way of writers and is told there.
      if (!isCode(error, 'BACKEND_NOT_FOUND', 'REPO_DAMAGED', 'BACKEND_SHORT')) throw error;
    }
  }
  return locks;
}
