import { readFileSync } from 'node:fs';
import type { Clock } from './clock.ts';

/** The host's own clock. /proc/uptime counts CLOCK_BOOTTIME (Linux fs/proc/uptime.c); elsewhere the monotonic clock has to do. */
export const systemClock: Clock = {
  now: () => Date.now(),
  boottime: () => {
    try {
      return Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000;
    } catch {
      return performance.now();
    }
  },
};
