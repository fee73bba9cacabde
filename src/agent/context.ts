// What all parts of the agent work with.
import type { Alarms } from './alarms.ts';
import type { Audit } from './audit.ts';
import type { Events } from './events.ts';
import type { AgentGround } from './ground.ts';

export interface AgentContext extends AgentGround {
  readonly events: Events;
  readonly alarms: Alarms;
  readonly audit: Audit;
}
