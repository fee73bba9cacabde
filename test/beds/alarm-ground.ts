// What events and alarms stand on, in memory: a database, a clock that the test owns, a log that is kept.
import { randomBytes } from 'node:crypto';
import type { AgentContext } from '../../src/agent/context.ts';
import type { AgentGround } from '../../src/agent/ground.ts';
import { layoutOf } from '../../src/config/layout.ts';
import { createSealer } from '../../src/config/secrets.ts';
import { defaultSettings } from '../../src/config/settings.ts';
import { openState } from '../../src/state/state.ts';

export interface AlarmGround extends AgentGround {
  /** Moves the clock on (ms). */
  later(ms: number): void;
  /** Lines of the log. */
  readonly lines: readonly string[];
}

export const noon = Date.UTC(2026, 2, 1, 12);

/** `database`: a file, so that the next ground finds what this one left; in memory if left out. `key`: of the sealer, for the same reason. */
export function alarmGround(database = ':memory:', start = noon, key = randomBytes(32)): AlarmGround {
  const lines: string[] = [];
  let now = start;
  const write = (fields: object, text?: string) => void lines.push(`${text ?? ''} ${JSON.stringify(fields)}`);
  const log = { trace: write, debug: write, info: write, warn: write, error: write } as unknown as AgentContext['log'];
  return {
    version: 'test',
    layout: layoutOf({ AGENT_HOME: '/nowhere' }),
    settings: defaultSettings,
    sealer: createSealer(key),
    state: openState(database),
    clock: { now: () => now, boottime: () => now },
    log,
    bootId: 'boot',
    startedAt: start,
    lines,
    later: (ms) => {
      now += ms;
    },
  };
}
