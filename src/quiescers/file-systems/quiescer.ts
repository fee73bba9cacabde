// A file system as something that can be frozen (FIFREEZE): nothing is written to it, what is dirty is on disk, writers sleep until the thaw.
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import { fail, failure } from '../../base/errors.ts';
import type { FreezeFacts, FreezeLimit, Quiescer } from '../../ports/quiescer.ts';
import { type Guard, hasEnded, sleepOf, startGuard, thawOnce } from './guard.ts';
import type { Mount } from './host.ts';

export interface FileSystemContext {
  readonly clock: Pick<Clock, 'boottime'>;
  /** A descriptor (a lock's) that stays open as long as something of this file system may be frozen. */
  readonly keepOpen?: number;
}

interface Held {
  readonly guard: Guard;
  readonly root: number;
  /** The process that sleeps until the thaw. */
  sleeper?: Sleeper;
}

interface Sleeper {
  readonly pid: number;
  readonly sleep: string;
}

/** One answer to thaw() takes at most so long (ms). */
const attemptMs = 1500;
/** rdfreeze thaws at the deadline; its helper a little later, should rdfreeze stand still (s). */
const graceSeconds = 0.5;

/** `mount` as resolveFileSystems() gave it. */
export function fileSystemQuiescer(mount: Mount, context: FileSystemContext): Quiescer {
  const name = `file system ${mount.point}`;
  let now: Held | undefined;

  async function freeze(limit: FreezeLimit): Promise<FreezeFacts> {
    if (now) fail('FREEZE_FAILED', { name, detail: 'it is being thawed still' });
    refuseIfStopped(limit.signal);
    const root = openRoot(mount, name);
    const seconds = Math.max(0, limit.deadline - context.clock.boottime()) / 1000 + graceSeconds;
    const held: Held = { guard: startGuard(root, seconds, context.keepOpen), root };
    now = held;
    void held.guard.gone.then(() => forget(held));
    const letGo = () => held.guard.release();
    limit.signal.addEventListener('abort', letGo, { once: true });
    try {
      const answer = await held.guard.frozen;
      if ('failed' in answer) throw refusalOf(name, answer.failed);
      const sleeper = await asleep(name, answer.pid);
      refuseIfStopped(limit.signal);
      held.sleeper = sleeper;
      return {};
    } catch (error) {
      letGo();
      throw error;
    } finally {
      limit.signal.removeEventListener('abort', letGo);
    }
  }

  function refuseIfStopped({ aborted }: AbortSignal): void {
    if (aborted) fail('FREEZE_FAILED', { name, detail: 'it was called off' });
  }

  /** A helper that ended without having thawed leaves its descriptor here, for another attempt. */
  async function forget(held: Held): Promise<void> {
    const neverFrozen = held.sleeper === undefined && held.guard.complaint !== '';
    const settled = (await held.guard.thawed) || neverFrozen || isThawedByOthers(held);
    if (settled && now === held) close(held);
  }

  function close(held: Held): void {
    closeSync(held.root);
    now = undefined;
  }

  async function held(): Promise<void> {
    if (!now?.sleeper || isThawedByOthers(now)) fail('FREEZE_LOST', { name, detail: 'somebody else thawed it' });
  }

  async function thaw(): Promise<FreezeFacts> {
    const held = now;
    if (!held) return {};
    // If somebody froze it again after a foreign thaw, that freeze is not ours to end.
    held.guard.release(isThawedByOthers(held) ? 'leave' : 'thaw');
    const done = await within(attemptMs, held.guard.gone);
    if (!done) fail('FREEZE_THAW_FAILED', { name, detail: held.guard.complaint || 'the kernel has not answered yet' });
    await forget(held);
    if (now !== held) return {};
    const again = await thawOnce(held.root, attemptMs);
    if (again !== true) fail('FREEZE_THAW_FAILED', { name, detail: again });
    close(held);
    return {};
  }

  return { name, freeze, held, thaw };
}

const isThawedByOthers = ({ sleeper }: Held): boolean => sleeper !== undefined && sleepOf(sleeper.pid) !== sleeper.sleep;

/** Opens the file system that was looked at, whatever was mounted over its mount point since. Throws FREEZE_FAILED. */
function openRoot(mount: Mount, name: string): number {
  try {
    const root = openSync(mount.point, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    if (new RegExp(`^mnt_id:\\s*${mount.id}$`, 'm').test(readFileSync(`/proc/self/fdinfo/${root}`, 'latin1'))) return root;
    closeSync(root);
  } catch (error) {
    throw failure('FREEZE_FAILED', { name, detail: (error as Error).message }, { cause: error });
  }
  fail('FREEZE_FAILED', { name, detail: 'it was mounted anew in the meantime' });
}

function refusalOf(name: string, said: string): Error {
  if (said.includes('Device or resource busy')) return failure('FREEZE_FOREIGN', { name });
  if (said.includes('Operation not supported')) return failure('FREEZE_REFUSED', { name, detail: 'the kernel cannot freeze it' });
  return failure('FREEZE_FAILED', { name, detail: said.replace(/^fsfreeze: /, '') });
}

/** Waits until the process sleeps soundly; only then it proves anything. */
async function asleep(name: string, pid: number): Promise<Sleeper> {
  for (;;) {
    const before = sleepOf(pid);
    await pause(5);
    const sleep = sleepOf(pid);
    if (sleep !== undefined && sleep === before) return { pid, sleep };
    if (hasEnded(pid)) fail('FREEZE_LOST', { name, detail: 'somebody else thawed it' });
  }
}

async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const timeout = new AbortController();
  const late = pause(ms, false, { signal: timeout.signal }).catch(() => false);
  const done = await Promise.race([work.then(() => true), late]);
  timeout.abort();
  return done;
}
