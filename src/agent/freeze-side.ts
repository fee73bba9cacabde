// rdfreeze's side of the protocol in model/freeze.ts: orders come in on descriptor 3, events go out on descriptor 4. Whatever ends the talk
// (its last order, the end of the pipe, a signal, the limit, a mistake of our own) ends in the thaw.
import { writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { getPriority, setPriority } from 'node:os';
import { asStillpointError, failure, isCode, type Problem } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import { type Layout, layoutOf } from '../config/layout.ts';
import type { Freeze, Lost } from '../engine/freeze.ts';
import { settledWithin, systemTimers } from '../engine/freeze-timers.ts';
import type { FreezeEvent, FreezeOrder, FreezeRequest, ThawReport } from '../model/freeze.ts';
import { isAbsent } from '../quiescers/scripts/absent.ts';
import { prepareFreeze } from './freeze-prepare.ts';
import { checkRequest } from './freeze-request.ts';

/**
 * Every signal that would end the process and can be caught. Not SIGPIPE, which Node ignores: it comes from any pipe that breaks, a freeze
 * script's too, and the pipe to whoever asked is watched.
 */
export const endingSignals = [
  ...(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGPROF', 'SIGIO', 'SIGPWR'] as const),
  ...(['SIGXCPU', 'SIGXFSZ', 'SIGSYS', 'SIGTRAP', 'SIGABRT', 'SIGSTKFLT'] as const),
];

/** The last event is waited for so long, should nobody read it (ms). */
const lastWordMs = 2000;

/** A thaw that goes on failing is told so often (ms). */
const alarmEveryMs = 60_000;

/** Serves one freeze; resolves with the exit code when nothing is frozen any more. */
export async function serveFreeze(layout: Layout = layoutOf(), prepare = prepareFreeze): Promise<number> {
  const orders = new Socket({ fd: 3, readable: true, writable: false });
  const events = new Socket({ fd: 4, readable: false, writable: true });
  const say: Say = (event) =>
    settledWithin(new Promise((resolve) => events.write(`${JSON.stringify(event)}\n`, resolve)), lastWordMs, systemTimers);

  const end = endings();
  const callerEnded = () => end.come({ cause: 'lost', reason: 'whoever asked for the freeze has ended' });
  const mailbox = listen(orders, callerEnded);
  events.on('error', callerEnded);
  for (const pipe of [process.stdout, process.stderr]) pipe.on('error', () => undefined);
  spareFromOutOfMemory();
  hurry();

  try {
    const request = await Promise.race([mailbox.request, end.first.then(() => undefined)]);
    if (request === undefined) return 0;
    const prepared = await prepare(layout, checkRequest(request), alarms());
    try {
      // Whoever asked may have gone while another freeze was waited for.
      if (end.came()) return 0;
      return await hold(prepared.freeze, mailbox, end, say);
    } finally {
      await prepared.close();
    }
  } catch (error) {
    await say({ type: 'failed', problem: asStillpointError(error).toProblem(), report: nothingFrozen(error) });
    return asStillpointError(error).exit;
  }
}

/** Freezes, answers, and thaws; resolves when nothing is frozen any more. */
async function hold(freeze: Freeze, mailbox: Mailbox, end: Endings, say: Say): Promise<number> {
  void end.first.then((why) => freeze.thaw(why));
  let failed: Problem | undefined;
  try {
    const { facts, names } = await freeze.freeze();
    void say({ type: 'frozen', facts, names: names.filter((name) => !isAbsent(facts[name])) });
    mailbox.serve({
      prove: () =>
        freeze.prove().then(
          () => say({ type: 'proof' }),
          (error: unknown) => say({ type: 'proof', problem: asStillpointError(error).toProblem() }),
        ),
      thaw: () => freeze.thaw(),
    });
  } catch (error) {
    failed = asStillpointError(error).toProblem();
  }
  const report = await freeze.ended;
  await say(failed ? { type: 'failed', problem: failed, report } : { type: 'thawed', report });
  await freeze.over;
  return failed?.exit ?? 0;
}

/** Resolves when it has been written. */
type Say = (event: FreezeEvent) => Promise<unknown>;

interface Mailbox {
  readonly request: Promise<FreezeRequest>;
  /** From now on, and for what came before. */
  serve(answers: Readonly<Record<'prove' | 'thaw', () => unknown>>): void;
}

/** `closed` is called at the end of the pipe and for what is no order. */
function listen(orders: Socket, closed: () => void): Mailbox {
  const request = Promise.withResolvers<FreezeRequest>();
  const waiting: ('prove' | 'thaw')[] = [];
  let serve = (order: 'prove' | 'thaw'): unknown => waiting.push(order);
  (async () => {
    for await (const line of linesOf(orders)) {
      const order = JSON.parse(line) as FreezeOrder;
      if (order.type === 'freeze') request.resolve(order.request);
      else serve(order.type);
    }
  })().then(closed, closed);
  return {
    request: request.promise,
    serve(answers) {
      serve = (order) => answers[order]();
      for (const order of waiting.splice(0)) serve(order);
    },
  };
}

interface Endings {
  /** The first reason to end before somebody asked for it. */
  readonly first: Promise<Lost>;
  came(): boolean;
  come(why: Lost): void;
}

function endings(): Endings {
  const { promise, resolve } = Promise.withResolvers<Lost>();
  let has = false;
  const come = (why: Lost) => {
    has = true;
    resolve(why);
  };
  for (const signal of endingSignals) process.on(signal, () => come({ cause: 'lost', reason: `rdfreeze was told to end (${signal})` }));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(event, (error: unknown) => come({ cause: 'lost', reason: `rdfreeze failed: ${String(error)}` }));
  return { first: promise, came: () => has, come };
}

/** Told on the error stream, a pipe: no disk is written to. */
function alarms(): (problem: Problem) => void {
  const told = new Map<string, number>();
  return ({ detail }) => {
    const now = performance.now();
    if (now - (told.get(detail) ?? Number.NEGATIVE_INFINITY) < alarmEveryMs) return;
    told.set(detail, now);
    process.stderr.write(`${detail}\n`);
  };
}

/** Where memory is short, users who wait for a thaw are worse off than whoever is ended in our place. */
function spareFromOutOfMemory(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '-1000');
  } catch {
    // Only root may.
  }
}

/** A thaw must not wait its turn behind whatever keeps the host busy, only because the task that asked is a patient one. */
function hurry(): void {
  try {
    if (getPriority() > 0) setPriority(0);
  } catch {
    // Only root may.
  }
}

function nothingFrozen(error: unknown): ThawReport {
  const { message } = isCode(error, 'INTERNAL') ? failure('INTERNAL', { detail: String(error) }) : asStillpointError(error);
  return { held: false, lost: { cause: 'failed', reason: message }, thawed: true, steps: [], facts: {}, frozenMs: 0 };
}
