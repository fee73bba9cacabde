// What everything in the agent stands on.
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Layout } from '../config/layout.ts';
import type { Sealer } from '../config/secrets.ts';
import type { Settings } from '../config/settings.ts';
import type { State } from '../state/state.ts';

export interface AgentGround {
  readonly version: string;
  readonly layout: Layout;
  readonly settings: Settings;
  readonly sealer: Sealer;
  readonly state: State;
  readonly clock: Clock;
  readonly log: Logger;
  readonly bootId: string;
  /** ms since the epoch. */
  readonly startedAt: number;
}
