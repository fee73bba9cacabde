import { Type } from 'typebox';
import { addresses } from './addresses.ts';
import { one, route } from './route.ts';
import { MetricsQuery, PlanMetrics, VaultMetrics } from './schemas-metrics.ts';

export const metricRoutes = {
  planMetrics: route('metrics', addresses.planMetrics, 'What the plan’s backups used while they ran', {
    ...one,
    query: MetricsQuery,
    reply: PlanMetrics,
  }),
  vaultMetrics: route('metrics', addresses.vaultMetrics, 'How full the vault was, every 15 minutes', {
    ...one,
    query: MetricsQuery,
    reply: VaultMetrics,
  }),
  metrics: route('metrics', addresses.metrics, 'The state of everything, for Prometheus', { kind: 'text', reply: Type.String() }),
} as const;
