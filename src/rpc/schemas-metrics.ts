import { type Static, Type } from 'typebox';
import { strict, Time } from './schemas-common.ts';

export const MetricsQuery = strict({
  from: Type.Optional(Type.String({ description: 'ISO 8601 date or time, or ms since the epoch; a day before the end if not given' })),
  to: Type.Optional(Type.String({ description: 'ISO 8601 date (its whole day) or time, or ms since the epoch; now if not given' })),
});

const Point = strict({
  at: { ...Time, description: 'ms since the epoch: the beginning of the stretch' },
  mean: Type.Number(),
  peak: Type.Number(),
});

const MetricSeries = strict({
  metric: Type.String({ description: 'cpu, memory, network-in, network-out; used_vault_size, vault_util' }),
  title: Type.String(),
  unit: Type.String({ description: '% (of one processor; of the capacity), B, B/s, GB' }),
  points: Type.Array(Point, { description: 'in order of time, 2000 at most: the longer ago and the longer the stretch, the coarser' }),
});
export type MetricSeries = Static<typeof MetricSeries>;

export const PlanMetrics = strict({
  id: Type.String(),
  name: Type.String(),
  from: Time,
  to: Time,
  note: Type.String({ description: 'why there is nothing; empty otherwise' }),
  metrics: Type.Array(MetricSeries),
});
export type PlanMetrics = Static<typeof PlanMetrics>;

export const VaultMetrics = strict({
  id: Type.String(),
  name: Type.String(),
  namespace: Type.Literal('SYS.CBR'),
  dimension: strict({ key: Type.Literal('instance_id'), value: Type.String({ description: 'the vault’s ID' }) }),
  periodSeconds: Type.Integer(),
  from: Time,
  to: Time,
  metrics: Type.Array(MetricSeries),
});
export type VaultMetrics = Static<typeof VaultMetrics>;
