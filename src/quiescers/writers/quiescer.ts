// The processes that write to some volumes, stopped with SIGSTOP while their images are taken: what was in flight still lands before the image
// of its volume, and nothing new is begun that could be in one image and be missing in another.
import { setTimeout as pause } from 'node:timers/promises';
import { asStillpointError, errnoOf, fail, failure, isCode } from '../../base/errors.ts';
import type { FreezeFacts, FreezeLimit, Quiescer } from '../../ports/quiescer.ts';
import { findWriters, type Writer } from './find.ts';
import { hasEnded, isThere, letRun } from './let-run.ts';
import { writersName as name } from './name.ts';
import { forgetNoted, note } from './noted.ts';
import { isStopped, stillnessOf } from './process.ts';
import { type Target, targetOf } from './target.ts';

export interface WritersContext {
  /** AGENT_RUN/freeze/<id>, where it is noted who is stopped. */
  readonly folder: string;
  /** The agent's own: never stopped. What they write lies in no backup. */
  readonly isOwn: (pid: number) => boolean;
  /** Why this one, which writes there, must not be stopped; undefined: it may. */
  readonly whyNot: (pid: number) => string | undefined;
}

/** Everybody who was stopped keeps others from beginning; whoever is still new after so many looks is somebody who never ends. */
const rounds = 8;
/** One look at all processes (ms). The proof has to come within two seconds. */
const lookMs = 1500;
/** Who is in the middle of something in the kernel is waited for so long (ms). */
const stopMs = 10_000;

interface Held {
  /** Stopped by us. */
  readonly stopped: Writer[];
  /** Somebody else had stopped them before, and they stay so. */
  readonly foreign: Writer[];
  stillness: ReadonlyMap<Writer, string>;
  readonly target: Target;
  /** Of the first signal, by performance.now(). */
  since: number;
  complete: boolean;
}

/** `volumes`: those of a snapshot plan. freeze() throws FREEZE_REFUSED where stopping processes would prove nothing, or must not be. */
export function writersQuiescer(volumes: readonly string[], { folder, isOwn, whyNot }: WritersContext): Quiescer {
  let now: Held | undefined;

  async function freeze({ signal }: FreezeLimit): Promise<FreezeFacts> {
    if (now) fail('FREEZE_FAILED', { name, detail: 'they are stopped already' });
    const held: Held = { stopped: [], foreign: [], stillness: new Map(), target: targetOf(volumes), since: 0, complete: false };
    now = held;
    try {
      await stopAll(held, signal);
      held.complete = true;
      return { processes: String(held.stopped.length), names: namesOf(held.stopped) };
    } catch (error) {
      await thaw().catch(() => undefined); // called again until it works
      throw explained(error);
    }
  }

  /** Who is stopped begins nothing new; so one look without anybody new tells that these are all. */
  async function stopAll(held: Held, signal: AbortSignal): Promise<void> {
    for (let round = 0; ; round++) {
      refuseIfOff(signal);
      const fresh = await strangers(held, signal);
      refuseIfOff(signal);
      if (fresh.length === 0) return;
      if (round === rounds) throw failure('FREEZE_FAILED', { name, detail: `${namesOf(fresh)} came while the others were stopped` });
      for (const { pid, name: who } of fresh) {
        const reason = pid === 1 ? 'it starts and ends everything on this host' : whyNot(pid);
        if (reason) fail('FREEZE_REFUSED', { name, detail: `${who} is one of them, and cannot be stopped: ${reason}` });
      }
      for (const writer of fresh) (isStopped(writer.pid) ? held.foreign : held.stopped).push(writer);
      note(folder, held.stopped);
      held.since ||= performance.now();
      for (const writer of fresh) if (held.stopped.includes(writer)) stop(writer);
      await standStill(held, signal);
    }
  }

  const strangers = async (held: Held, signal: AbortSignal): Promise<readonly Writer[]> => {
    const known = new Set([...held.stopped, ...held.foreign].map(({ pid, start }) => `${pid} ${start}`));
    const found = await findWriters(held.target, isOwn, lookMs, signal);
    return found.filter(({ pid, start }) => !known.has(`${pid} ${start}`));
  };

  async function standStill(held: Held, signal: AbortSignal): Promise<void> {
    const stillness = new Map(held.stillness);
    for (const end = performance.now() + stopMs; ; await pause(2)) {
      refuseIfOff(signal);
      const moving: Writer[] = [];
      for (const writer of [...held.stopped, ...held.foreign]) {
        if (stillness.has(writer) || !isThere(writer)) continue;
        const still = stillnessOf(writer.pid);
        if (still === undefined) moving.push(writer);
        else stillness.set(writer, still);
      }
      held.stillness = stillness;
      if (moving.length === 0) return;
      if (performance.now() > end)
        throw failure('FREEZE_FAILED', { name, detail: `${namesOf(moving)} hangs in the kernel and does not stop` });
    }
  }

  async function held(): Promise<void> {
    const held = now;
    if (!held?.complete) return lost('they are not stopped');
    const fresh = await strangers(held, new AbortController().signal).catch((error: Error) => lost(error.message));
    if (fresh.length > 0) lost(`${namesOf(fresh)} has begun to write meanwhile`);
    for (const [writer, stillness] of held.stillness) {
      if (stillnessOf(writer.pid) === stillness && isThere(writer)) continue;
      lost(hasEnded(writer) ? `${writer.name} has ended` : `somebody let ${writer.name} run on`);
    }
  }

  async function thaw(): Promise<FreezeFacts> {
    const held = now;
    if (!held) return {};
    await letRun(held.stopped);
    forgetNoted(folder);
    now = undefined;
    return { 'stopped-ms': String(held.since === 0 ? 0 : Math.round(performance.now() - held.since)) };
  }

  return { name, brief: true, freeze, held, thaw };
}

/** For messages and for the backup. */
const namesShown = 20;

function namesOf(writers: readonly Writer[]): string {
  const names = writers.slice(0, namesShown).map(({ name: one }) => one);
  return [...names, ...(writers.length > namesShown ? [`${writers.length - namesShown} more`] : [])].join(', ');
}

function stop(writer: Writer): void {
  try {
    if (isThere(writer)) process.kill(writer.pid, 'SIGSTOP');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

function refuseIfOff({ aborted }: AbortSignal): void {
  if (aborted) fail('FREEZE_FAILED', { name, detail: 'it was called off' });
}

function lost(detail: string): never {
  fail('FREEZE_LOST', { name, detail });
}

function explained(error: unknown): Error {
  if (isCode(error, 'FREEZE_REFUSED', 'FREEZE_FAILED')) return asStillpointError(error);
  return failure('FREEZE_FAILED', { name, detail: (error as Error).message }, { cause: error });
}
