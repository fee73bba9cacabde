// One life of a process: from its start to its end, by its own doing or, if it hangs, by ours.
import type { Clock } from '../base/clock.ts';
import { settledWithin, type Timers } from '../engine/freeze-timers.ts';
import { raise } from './alarm.ts';
import type { Child } from './child.ts';
import type { MonitorLog } from './log.ts';
import type { Rescuer } from './rescuer.ts';
import type { Service } from './services.ts';
import type { Times } from './times.ts';

export interface WatchTools {
  readonly clock: Pick<Clock, 'boottime'>;
  readonly timers: Timers;
  readonly times: Times;
  readonly rescuer: Rescuer;
  readonly log: MonitorLog;
}

export interface Life {
  /** Told with its first answer. */
  readonly onAnswer: () => void;
  /** While it is being stopped it owes nobody an answer. */
  readonly isLeaving: () => boolean;
}

/** So many requests in a row without an answer, and it hangs. */
const failuresAllowed = 3;
/** Until the first answer it is asked this often (ms). */
const firstAskEvery = 200;
/** A round that took so much longer than it can was slept through, by the host or by this process (ms). */
const sleepSlack = 2000;
/** How often it is told that a killed process does not end (ms). */
const cannotEndEvery = 60_000;

/** Resolves when it has ended: how, and for how long it had been answering (ms). */
export async function watch(service: Service, child: Child, tools: WatchTools, { onAnswer, isLeaving }: Life) {
  const { clock, timers, times, rescuer, log } = tools;
  const about = { process: service.name, pid: child.pid };
  let waitsSince = clock.boottime();
  let answeredAt: number | undefined;
  let lastAnswerAt = 0;
  let failures = 0;
  const life = async () => ({ how: await child.exited, ranWell: answeredAt === undefined ? 0 : lastAnswerAt - answeredAt });

  for (;;) {
    const pause = answeredAt === undefined ? Math.min(firstAskEvery, times.checkEvery) : times.checkEvery;
    const round = clock.boottime();
    if (await settledWithin(child.exited, pause, timers)) return life();
    const trouble = isLeaving() ? undefined : await troubleOf(service, child.pid, times.answerWithin, timers);
    if (isLeaving()) {
      failures = 0;
      waitsSince = clock.boottime();
      continue;
    }
    if (trouble === undefined) {
      failures = 0;
      lastAnswerAt = clock.boottime();
      if (answeredAt === undefined) {
        answeredAt = clock.boottime();
        log.info(`${service.name} answers`, about);
        onAnswer();
      }
      continue;
    }
    if (clock.boottime() - round > pause + times.answerWithin + sleepSlack) {
      waitsSince = clock.boottime();
      log.info(`${service.name} did not answer, but the host slept`, about);
      continue;
    }
    if (answeredAt === undefined) {
      if (clock.boottime() - waitsSince < times.startWithin) continue;
    } else {
      failures++;
      if (await settledWithin(child.exited, 0, timers)) return life();
      log.warn(`${service.name} does not answer`, { ...about, reason: trouble, failures });
      if (failures < failuresAllowed) continue;
    }
    log.error(`${service.name} hangs and is killed`, { ...about, reason: trouble });
    child.kill();
    // It may hang in a file system that is frozen, and end only when that is thawed.
    void rescuer.rescue();
    while (!(await settledWithin(child.exited, cannotEndEvery, timers)))
      raise(log, {
        alarm: 'CANNOT_END',
        process: service.name,
        text: `${service.name} was killed and does not end: it waits in the kernel`,
      });
    return life();
  }
}

/** Undefined if it answered. */
async function troubleOf(service: Service, pid: number, within: number, timers: Timers): Promise<string | undefined> {
  const limit = new AbortController();
  const late = Promise.withResolvers<string>();
  const callOff = timers.after(within, () => {
    late.resolve(`no answer within ${within / 1000} s`);
    limit.abort();
  });
  try {
    const answer = service.ask(pid, limit.signal).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    return await Promise.race([late.promise, answer]);
  } finally {
    callOff();
  }
}
