// Keeps one process running: thaw, start, watch, and again. Ends when it is told to stop.
import { lstatSync } from 'node:fs';
import { settledWithin } from '../engine/freeze-timers.ts';
import { raise } from './alarm.ts';
import type { Child } from './child.ts';
import { countRestarts } from './restarts.ts';
import type { Service } from './services.ts';
import { type WatchTools, watch } from './watch.ts';

export interface KeepTools extends WatchTools {
  readonly start: (service: Service) => Child;
  /** Told whenever a process has begun (its number) or ended (undefined). */
  readonly note: (name: string, pid: number | undefined) => void;
}

export interface Keeper {
  /** Resolves with its first answer. */
  readonly answered: Promise<void>;
  /** SIGTERM, then SIGKILL; resolves when it has ended. */
  stop(): Promise<void>;
  /** A second SIGTERM to one that is stopping: rdagent waits for its tasks no longer. */
  hurry(): void;
}

/** After SIGKILL only the kernel can hold it (ms). */
const lastPatience = 5000;

export function keepRunning(service: Service, tools: KeepTools): Keeper {
  const { clock, timers, times, rescuer, log, start, note } = tools;
  const { name } = service;
  const stopping = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const restarts = countRestarts();
  let isStopping = false;
  let child: Child | undefined;

  async function run(): Promise<void> {
    for (;;) {
      await permission();
      await Promise.race([rescuer.rescue(), stopping.promise]);
      if (isStopping) return;
      const one = start(service);
      child = one;
      note(name, one.pid);
      log.info(`${name} is started`, { process: name, pid: one.pid });
      const isLeaving = () => isStopping || stoppedOnPurpose(service);
      const { how, ranWell } = await watch(service, one, tools, { onAnswer: answered.resolve, isLeaving });
      child = undefined;
      note(name, undefined);
      if (isStopping) return;
      await afterDeath(how, ranWell);
    }
  }

  /** What it left frozen is thawed at once: users wait. */
  async function afterDeath(how: string, ranWell: number): Promise<void> {
    const rescued = rescuer.rescue();
    if (stoppedOnPurpose(service)) {
      await Promise.race([rescued, stopping.promise]);
      return;
    }
    const { delay, count, alarm } = restarts.next(ranWell, clock.boottime());
    log.error(`${name} has ended by itself (${how})`, { process: name, restartInMs: delay });
    if (alarm) raise(log, { alarm: 'RESTARTS', process: name, text: `${name} had to be started again ${count} times within 10 minutes` });
    await Promise.race([Promise.all([rescued, settledWithin(stopping.promise, delay, timers)]), stopping.promise]);
  }

  async function permission(): Promise<void> {
    if (!stoppedOnPurpose(service)) return;
    log.warn(`${name} was stopped on purpose and is not started`, { process: name, untilGone: service.stoppedBy });
    while (stoppedOnPurpose(service) && !(await settledWithin(stopping.promise, times.lookEvery, timers)));
  }

  const over = run();
  return {
    answered: answered.promise,
    async stop() {
      isStopping = true;
      stopping.resolve();
      if (child) {
        const { pid, exited } = child;
        child.end();
        if (!(await settledWithin(exited, times.stopWithin, timers))) {
          log.error(`${name} does not stop and is killed`, { process: name, pid });
          child?.kill();
          if (!(await settledWithin(exited, lastPatience, timers))) {
            raise(log, { alarm: 'CANNOT_END', process: name, text: `${name} was killed and does not end: it waits in the kernel` });
            return;
          }
        }
      }
      await over;
      log.info(`${name} has stopped`, { process: name });
    },
    hurry: () => void (isStopping && child?.end()),
  };
}

/** lstat: a link that leads nowhere counts, too. */
const stoppedOnPurpose = ({ stoppedBy }: Service): boolean =>
  stoppedBy.some((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
