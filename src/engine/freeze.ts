// One freeze: everything is brought to a still point one after the other, held, and let go in reverse order, whatever happens in between.
// It keeps its own limit; whoever asked for it need not live to see its end.
import type { Clock } from '../base/clock.ts';
import { asStillpointError, failure, type Problem, type StillpointError } from '../base/errors.ts';
import type { FactsByName, FreezeStep, ThawReport } from '../model/freeze.ts';
import type { FreezeFacts, Quiescer } from '../ports/quiescer.ts';
import { asThawFailure, type Thawable, thawAll } from './freeze-thaw.ts';
import { settledWithin, type Timers } from './freeze-timers.ts';

export type Lost = NonNullable<ThawReport['lost']>;

export interface FreezeSettings {
  /** In the order in which they are frozen. */
  readonly quiescers: readonly Quiescer[];
  /** From the first freeze until everything is thawed (ms). */
  readonly limitMs: number;
  readonly clock: Pick<Clock, 'boottime'>;
  readonly timers: Timers;
  /** Called before each is frozen, so that a rescuer knows of it. What it throws fails the freeze. */
  readonly willFreeze: (quiescer: Quiescer) => void;
  /** Called at each attempt to thaw that failed. */
  readonly alarm: (problem: Problem) => void;
}

export interface Freeze {
  /** Once. Rejects with what stood in the way, after the first attempt to thaw all that was begun. */
  freeze(): Promise<{ readonly facts: FactsByName; readonly names: readonly string[] }>;
  /**
   * To be asked once what it was frozen for exists: what is held briefly is let go by it. Resolves when all has been still without a break.
   * Throws FREEZE_LOST or FREEZE_EXPIRED; what is lost once stays lost.
   */
  prove(): Promise<void>;
  /** Idempotent. `why`: what ended it before its time. Never rejects; the report comes after the first attempt to thaw each. */
  thaw(why?: Lost): Promise<ThawReport>;
  /** The report, whoever asked for the thaw: the caller, the limit, a failure. */
  readonly ended: Promise<ThawReport>;
  /** Resolves when nothing is frozen any more. */
  readonly over: Promise<void>;
}

/** How long proofs are waited for: a server that does not answer holds nothing that could be relied upon (ms). */
const proofMs = 2000;
/** A thaw on the way to the proof of the others is waited for no longer (ms). */
const briefMs = 2000;
/** Longest sleep of the watch: timers stand still while the host sleeps, the limit does not (ms). */
const tickMs = 1000;

export function createFreeze(settings: FreezeSettings): Freeze {
  const { quiescers, limitMs, clock, timers } = settings;
  const stop = new AbortController();
  const started: Quiescer[] = [];
  const letGo = new Set<Quiescer>();
  const steps: FreezeStep[] = [];
  const facts: Record<string, FreezeFacts> = {};
  const ended = Promise.withResolvers<ThawReport>();
  const over = Promise.withResolvers<void>();
  let deadline = Number.POSITIVE_INFINITY;
  let calledOff = () => {};
  let freezing: Promise<unknown> = Promise.resolve();
  let briefOnes: Promise<void> | undefined;
  let frozenAt: number | undefined;
  let lost: Lost | undefined;
  let ending = false;

  const isLate = () => clock.boottime() >= deadline;
  const expired = () => failure('FREEZE_EXPIRED', { seconds: limitMs / 1000 });
  const lose = (cause: Lost['cause'], reason: string) => {
    lost ??= { cause, reason };
  };

  function arm(): void {
    deadline = clock.boottime() + limitMs;
    const watch = () => {
      if (isLate()) void thaw({ cause: 'expired', reason: expired().message });
      else calledOff = timers.after(Math.min(deadline - clock.boottime(), tickMs), watch);
    };
    watch();
  }

  async function freeze() {
    arm();
    try {
      for (const quiescer of quiescers) await freezeOne(quiescer);
      if (ending) throw interrupted('the freeze');
    } catch (error) {
      const problem = asStillpointError(error);
      await thaw({ cause: problem.code === 'FREEZE_EXPIRED' ? 'expired' : 'failed', reason: problem.message });
      throw problem;
    }
    frozenAt = clock.boottime();
    return { facts: { ...facts }, names: quiescers.map(({ name }) => name) };
  }

  async function freezeOne(quiescer: Quiescer): Promise<void> {
    if (ending) throw interrupted(quiescer.name);
    settings.willFreeze(quiescer);
    started.push(quiescer);
    const begin = clock.boottime();
    try {
      const work = quiescer.freeze({ deadline, signal: stop.signal });
      // The thaw waits for it a little, and then no longer.
      freezing = work.catch(() => undefined);
      facts[quiescer.name] = await orStopped(work, stop.signal, () => interrupted(quiescer.name));
      note('freeze', quiescer, begin);
    } catch (error) {
      note('freeze', quiescer, begin, asStillpointError(error));
      throw error;
    }
  }

  function interrupted(name: string): StillpointError {
    if (lost?.cause === 'expired') return expired();
    return failure('FREEZE_FAILED', { name, detail: lost?.reason ?? 'it was called off' });
  }

  function note(action: FreezeStep['action'], { name }: Thawable, begin: number, error?: StillpointError): void {
    steps.push({ action, name, ms: Math.round(clock.boottime() - begin), ...(error ? { problem: error.toProblem() } : {}) });
  }

  async function prove(): Promise<void> {
    if (isLate()) lose('expired', expired().message);
    if (!lost && (frozenAt === undefined || ending)) throw failure('FREEZE_LOST', { name: 'the freeze', detail: 'it is not frozen' });
    briefOnes ??= endBriefOnes();
    await briefOnes;
    if (!lost) await Promise.all(started.filter(({ brief }) => !brief).map(proveOne));
    // A proof that came after the limit proves nothing.
    if (isLate()) lose('expired', expired().message);
    if (lost?.cause === 'expired') throw expired();
    if (lost) throw failure('FREEZE_LOST', { name: 'the freeze', detail: lost.reason });
  }

  /** Proves what is held briefly, and lets it go, whatever the proof says: the others cannot be asked before. Once; what was proven stays so. */
  async function endBriefOnes(): Promise<void> {
    const brief = started.filter((one) => one.brief);
    if (!lost) await Promise.all(brief.map(proveOne));
    for (const one of brief.toReversed()) if (!ending) await settledWithin(letGoOne(one), briefMs, timers);
  }

  /** Whoever cannot be let go now is thawed with the others, again and again. Never rejects. */
  async function letGoOne(quiescer: Quiescer): Promise<void> {
    const since = clock.boottime();
    try {
      learn(quiescer, await quiescer.thaw());
      letGo.add(quiescer);
      note('thaw', quiescer, since);
    } catch (error) {
      const problem = asThawFailure(quiescer, error);
      note('thaw', quiescer, since, problem);
      settings.alarm(problem.toProblem());
    }
  }

  function learn({ name }: Thawable, more: FreezeFacts): void {
    facts[name] = { ...facts[name], ...more };
  }

  async function proveOne(quiescer: Quiescer): Promise<void> {
    const answer = quiescer.held().catch((error: unknown) => lose('lost', asStillpointError(error).message));
    if (!(await settledWithin(answer, proofMs, timers))) lose('lost', `${quiescer.name} did not answer when asked whether it was frozen`);
  }

  function thaw(why?: Lost): Promise<ThawReport> {
    if (!ending) {
      if (why) lose(why.cause, why.reason);
      void end();
    }
    return ended.promise;
  }

  async function end(): Promise<void> {
    if (frozenAt === undefined) lose('failed', 'it was thawed before everything was frozen');
    else if (!lost) await prove().catch(() => undefined);
    if (ending) return;
    ending = true;
    stop.abort();
    calledOff();
    const begin = clock.boottime();
    const rest = started.filter((one) => !letGo.has(one));
    const thawing = thawAll(rest.toReversed(), {
      timers,
      pending: freezing,
      attempted: (quiescer, since, error) => {
        note('thaw', quiescer, since, error);
        if (error) settings.alarm(error.toProblem());
      },
      learned: learn,
      now: () => clock.boottime(),
    });
    void thawing.all.then(over.resolve);
    const thawed = await thawing.firstRound;
    ended.resolve({
      held: lost === undefined,
      ...(lost ? { lost } : {}),
      thawed,
      steps: [...steps],
      facts: { ...facts },
      frozenMs: frozenAt === undefined ? 0 : Math.round(begin - frozenAt),
    });
  }

  return { freeze, prove, thaw, ended: ended.promise, over: over.promise };
}

/** The work's result, or an error as soon as the signal comes: work that does not heed it holds nobody up. */
function orStopped<T>(work: Promise<T>, signal: AbortSignal, reason: () => StillpointError): Promise<T> {
  return new Promise((resolve, reject) => {
    const stopped = () => reject(reason());
    if (signal.aborted) stopped();
    signal.addEventListener('abort', stopped, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stopped));
  });
}
