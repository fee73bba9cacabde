// rdmonitor from start to stop: what keeps the agent alive where there is no systemd. Runs as root: no npm packages, nothing from the network.
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Layout } from '../config/layout.ts';
import { settledWithin, type Timers } from '../engine/freeze-timers.ts';
import type { Child } from './child.ts';
import { takeHome } from './home.ts';
import { type Keeper, keepRunning } from './keep.ts';
import { type MonitorLog, openMonitorLog } from './log.ts';
import { createRescuer, rescueOf } from './rescuer.ts';
import type { Service } from './services.ts';
import type { Times } from './times.ts';

export interface MonitorSettings {
  readonly layout: Layout;
  /** In the order of their start. */
  readonly services: readonly Service[];
  readonly times: Times;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly start: (service: Service) => Child;
  /** In the place of log/monitor.log and of rdfreeze rescue, for tests. */
  readonly log?: MonitorLog;
  readonly rescue?: () => Promise<boolean>;
}

/** Aborted to stop everything in order, and to hurry that. */
export interface Orders {
  readonly stop: AbortSignal;
  readonly hurry: AbortSignal;
}

/**
 * Thaws what a crash left frozen, starts one after the other, and keeps them running until it is told to stop. AGENT_RUN must be there.
 * Throws AGENT_RUNNING, system errors.
 */
export async function monitor(settings: MonitorSettings, orders: Orders): Promise<void> {
  const { layout, services, times, timers } = settings;
  const home = await takeHome(layout);
  const log = settings.log ?? (await openMonitorLog(join(layout.log, 'monitor.log')));
  const rescuer = createRescuer({ run: settings.rescue ?? rescueOf(layout, log), timers, log, within: times.rescueWithin });
  const running = new Map<string, number>();
  const note = (name: string, pid: number | undefined) => {
    if (pid) running.set(name, pid);
    else running.delete(name);
    home.note(Object.fromEntries(running));
  };
  const stopped = aborted(orders.stop);
  log.info('rdmonitor starts', { pid: process.pid, home: layout.home });

  const keepers: Keeper[] = [];
  for (const service of services) {
    if (orders.stop.aborted) break;
    const keeper = keepRunning(service, { ...settings, rescuer, log, note });
    keepers.push(keeper);
    await Promise.race([firstAnswer(service, keeper), stopped]);
  }
  await stopped;

  log.info('rdmonitor stops');
  void aborted(orders.hurry).then(() => {
    for (const keeper of keepers) keeper.hurry();
  });
  for (const keeper of keepers.toReversed()) await keeper.stop();
  // One that had to be killed may have left something, and from here on nobody tries again.
  if (!(await rescuer.rescue())) log.error('something may still be frozen: run rdfreeze rescue');
  log.info('rdmonitor has stopped');
  await log.close();
  home.release();

  async function firstAnswer({ name }: Service, { answered }: Keeper): Promise<void> {
    if (await settledWithin(answered, times.nextAfter, timers)) return;
    log.error(`${name} has not answered yet; the next one is started all the same`, { process: name });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
