// How patient rdmonitor is. All times in milliseconds.
import { fail } from '../base/errors.ts';

export interface Times {
  /** From one request to the next. */
  readonly checkEvery: number;
  /** A process that has not answered by then has not answered. */
  readonly answerWithin: number;
  /** From the start of a process to its first answer; its first start may have to make certificates and mend a database. */
  readonly startWithin: number;
  /** The next process is started then, even if this one has not answered yet. */
  readonly nextAfter: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopWithin: number;
  /** A start waits so long for the rescue. */
  readonly rescueWithin: number;
  /** How often it is looked whether what was stopped on purpose may run again. */
  readonly lookEvery: number;
}

export const defaultTimes: Times = {
  checkEvery: 10_000,
  answerWithin: 10_000,
  startWithin: 120_000,
  nextAfter: 60_000,
  stopWithin: 30_000,
  rescueWithin: 30_000,
  lookEvery: 1000,
};

/** AGENT_CHECK_SECONDS in the place of the ten seconds between two requests and for an answer. Throws CONFIG_INVALID. */
export function timesOf(environment: Readonly<Record<string, string | undefined>>): Times {
  const text = environment['AGENT_CHECK_SECONDS'];
  if (!text) return defaultTimes;
  const ms = Number(text) * 1000;
  if (!(ms >= 100 && ms <= 3_600_000))
    fail('CONFIG_INVALID', { file: 'AGENT_CHECK_SECONDS', detail: `${text} is not between 0.1 and 3600` });
  return { ...defaultTimes, checkEvery: ms, answerWithin: ms };
}
