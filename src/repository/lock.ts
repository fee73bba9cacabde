// restic's lock files. Source: restic internal/repository/lock_file.go, doc/design.rst "Locks".
// A running writer's lock keeps stock prune from deleting packs that no index lists yet.
import { hostname, userInfo } from 'node:os';
import type { Clock } from '../base/clock.ts';
import { fail, isCode } from '../base/errors.ts';
import type { Backend } from '../ports/backend.ts';
import type { Cipher } from './crypto.ts';
import { loadJson, sealFile } from './unpacked.ts';

interface LockJson {
  readonly time: string;
  readonly exclusive: boolean;
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** Remembers our lock files where a crash cannot lose them, so that only our own are ever cleaned up. */
export interface LockKeeper {
  /** Must be durable before the lock file is written. */
  willWrite(name: string): Promise<void>;
  removed(name: string): Promise<void>;
}

export interface Lock {
  readonly name: string;
  /** Resolves when no other lock was found in conflict after ours became visible; nothing may be written before. */
  readonly settled: Promise<void>;
  /** Settled and refreshed in time, as far as this host knows: asked before each upload. Throws REPO_LOCK_LOST. */
  fresh(): Promise<void>;
  /** Throws REPO_LOCK_LOST unless our lock was refreshed in time and is still listed. */
  prove(): Promise<void>;
  release(): Promise<void>;
}

export interface LockDeps {
  readonly backend: Backend;
  readonly cipher: Cipher;
  readonly version: number;
  readonly clock: Clock;
  readonly keeper: LockKeeper;
  readonly sleep: (ms: number) => Promise<void>;
}

const refreshEvery = 5 * 60_000;
/** restic calls a lock stale after 30 min; a refresh later than this may find that somebody has acted on it. */
const lateAfter = 22 * 60_000;
/** Two programs that lock at once see each other after this long. */
const settleTime = 200;

let deaf = false;

/**
 * Stock restic asks whether a lock of this host is alive by sending its process a real SIGHUP (lock_unix.go), which ends a process that does
 * not expect it. It may have read the lock just before we removed it, so that this holds until the process ends.
 */
function surviveHangups(): void {
  if (!deaf) process.on('SIGHUP', () => undefined);
  deaf = true;
}

export async function takeLock(deps: LockDeps, exclusive: boolean): Promise<Lock> {
  const { backend, clock, keeper, sleep } = deps;
  await refuseConflict(deps, exclusive, undefined);
  surviveHangups();
  let name = await writeLock(deps, exclusive);
  let refreshed = clock.boottime();
  let released = false;
  let refreshing: Promise<void> | undefined;

  const remove = async (old: string) => {
    await backend.remove('locks', old);
    await keeper.removed(old);
  };
  /** Somebody has removed our lock and may have pruned since: whatever comes later, this one is lost. */
  let gone = false;
  const late = () => clock.boottime() - refreshed > lateAfter;
  const lost = () => fail('REPO_LOCK_LOST', { location: backend.location });
  const isListed = async (wanted: string) => {
    for await (const file of backend.list('locks')) if (file.name === wanted) return true;
    return false;
  };

  const refresh = async () => {
    if (late() || gone) return; // prove() says so; a new lock now would only pretend that ours was there all the time
    const old = name;
    const next = await writeLock(deps, exclusive);
    // Asked while the new one stands already, so that there is no moment without a lock that nobody would notice.
    if (!(await isListed(old))) {
      gone = true;
      return await remove(next);
    }
    name = next;
    refreshed = clock.boottime();
    await remove(old);
  };
  const refreshOnce = () => {
    refreshing ??= refresh().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };
  // A refresh that failed is tried again by prove(), and seen as late in the end.
  const timer = setInterval(() => void refreshOnce().catch(() => undefined), refreshEvery);
  timer.unref();

  const settled = (async () => {
    await sleep(settleTime);
    try {
      await refuseConflict(deps, exclusive, name);
    } catch (error) {
      clearInterval(timer);
      await remove(name);
      throw error;
    }
  })();
  settled.catch(() => undefined);

  const fresh = async () => {
    await settled;
    if (late() || gone) lost();
  };

  return {
    get name() {
      return name;
    },
    settled,
    fresh,
    prove: async () => {
      await fresh();
      if (clock.boottime() - refreshed > refreshEvery) await refreshOnce();
      const current = name;
      const listed = await isListed(current);
      if ((!listed && current === name) || late() || gone) lost();
    },
    release: async () => {
      if (released) return;
      released = true;
      clearInterval(timer);
      await refreshing?.catch(() => undefined);
      await settled.catch(() => undefined);
      await remove(name);
    },
  };
}

async function writeLock(deps: LockDeps, exclusive: boolean): Promise<string> {
  const user = userInfo();
  const json: LockJson = {
    time: new Date(deps.clock.now()).toISOString(),
    exclusive,
    hostname: hostname(),
    username: user.username,
    pid: process.pid,
    ...(user.uid > 0 ? { uid: user.uid } : {}),
    ...(user.gid > 0 ? { gid: user.gid } : {}),
  };
  const { name, bytes } = sealFile('locks', Buffer.from(JSON.stringify(json)), deps.cipher, deps.version);
  await deps.keeper.willWrite(name);
  await deps.backend.save('locks', name, bytes);
  return name;
}

/** Staleness does not matter here, as in restic: only an operator's unlock drops a lock that is not ours. */
async function refuseConflict(deps: LockDeps, exclusive: boolean, own: string | undefined): Promise<void> {
  for (const { name, lock } of await readLocks(deps.backend, deps.cipher)) {
    if (name === own) continue;
    if (lock && !exclusive && !lock.exclusive) continue;
    const holder = lock ? `${lock.username}@${lock.hostname} (pid ${lock.pid})` : `an unreadable lock (${name.slice(0, 8)})`;
    fail('REPO_LOCKED', { holder, since: lock?.time ?? 'an unknown time' });
  }
}

async function readLocks(backend: Backend, cipher: Cipher): Promise<{ name: string; lock?: LockJson }[]> {
  const locks: { name: string; lock?: LockJson }[] = [];
  for await (const { name, size } of backend.list('locks')) {
    if (size === 0) continue; // left by a full disk; restic ignores them too
    try {
      locks.push({ name, lock: await loadJson<LockJson>(backend, 'locks', name, cipher) });
    } catch (error) {
      if (isCode(error, 'BACKEND_NOT_FOUND')) continue; // released meanwhile
      if (!isCode(error, 'REPO_DAMAGED', 'BACKEND_SHORT')) throw error;
      locks.push({ name });
    }
  }
  return locks;
}

export interface Unlocking {
  /** Names known to be ours and dead; where any are given nothing else is removed. */
  readonly own: readonly string[];
  /** Every lock, whoever holds it (the operator's word that nobody works there). */
  readonly all: boolean;
}

/** Removes the locks named, with `all` every lock, with neither those that restic would call stale. Returns the names removed. */
export async function unlock(deps: LockDeps, { own, all }: Unlocking): Promise<string[]> {
  const removed: string[] = [];
  for (const { name, lock } of await readLocks(deps.backend, deps.cipher)) {
    const stale = own.length === 0 && lock !== undefined && isStale(lock, deps.clock.now());
    if (!all && !own.includes(name) && !stale) continue;
    await deps.backend.remove('locks', name);
    await deps.keeper.removed(name);
    removed.push(name);
  }
  return removed;
}

/** restic's rule: older than 30 minutes, or of a process of this host that is gone. */
function isStale(lock: LockJson, now: number): boolean {
  if (now - Date.parse(lock.time) > 30 * 60_000) return true;
  if (lock.hostname !== hostname()) return false;
  try {
    process.kill(lock.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
