import { type Static, Type } from 'typebox';
import { strict, Time } from './schemas-common.ts';

const count = Type.Integer();

export const Status = strict({
  version: Type.String(),
  agentId: Type.String({ description: 'the last part of the path of this agent’s repositories' }),
  hostname: Type.String(),
  home: Type.String(),
  pid: Type.Integer(),
  address: Type.String(),
  startedAt: Time,
  memoryBytes: Type.Integer({ description: 'resident memory of rdagent' }),
  pools: strict({ total: count, offline: count }),
  vaults: strict({ total: count, error: count }),
  plans: strict({ total: count }),
  backups: strict({ total: count, error: count }),
  tasks: strict({ queued: count, running: count, failedLastDay: count }),
});
export type Status = Static<typeof Status>;

/** What travels with every backup, so that a lost host's plans can be made again. No secrets. */
export interface AgentConfig {
  readonly format: 1;
  readonly agentId: string;
  readonly hostname: string;
  readonly vaults: readonly {
    readonly id: string;
    readonly name: string;
    readonly path: string;
    readonly capacityGb: number;
    readonly pool: string;
  }[];
  readonly pools: readonly { readonly id: string; readonly name: string; readonly place: unknown }[];
  readonly plans: readonly unknown[];
  readonly policies?: readonly unknown[];
  readonly settings: unknown;
}
export const AgentConfigDocument = Type.Unsafe<AgentConfig>(
  Type.Object({}, { description: 'plans, vaults and settings, without secrets' }),
);
