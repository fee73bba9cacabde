import { fail } from '../../base/errors.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { MetricSeries } from '../../rpc/schemas-metrics.ts';
import type { AgentContext } from '../context.ts';
import { prometheusText } from '../prometheus.ts';
import { momentOf } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';
import { isMeasured, vaultPeriodMs } from '../usage.ts';

type Methods = Pick<Handlers, 'planMetrics' | 'vaultMetrics' | 'metrics'>;
type Stretch = { readonly from: number; readonly to: number };
type Words = Omit<MetricSeries, 'points'>;

const day = 24 * 3600 * 1000;

const ofPlans: readonly Words[] = [
  { metric: 'cpu', title: 'CPU', unit: '%' },
  { metric: 'memory', title: 'Memory', unit: 'B' },
  { metric: 'network-in', title: 'Network in', unit: 'B/s' },
  { metric: 'network-out', title: 'Network out', unit: 'B/s' },
];
/** As the guide calls them (10.1). */
const ofVaults: readonly Words[] = [
  { metric: 'used_vault_size', title: 'Used Vault Size', unit: 'GB' },
  { metric: 'vault_util', title: 'Vault Usage', unit: '%' },
];

export function metricMethods(context: AgentContext, _desk: TaskDesk): Methods {
  const { state, clock } = context;

  function stretchOf({ from, to }: { readonly from?: string; readonly to?: string }): Stretch {
    const end = to === undefined ? clock.now() : momentOf(to, 'end');
    const start = from === undefined ? end - day : momentOf(from, 'start');
    if (start > end) fail('USAGE', { detail: 'the stretch ends before it begins' });
    return { from: start, to: end };
  }

  const seriesOf = (subject: string, all: readonly Words[], stretch: Stretch): MetricSeries[] =>
    all.map((words) => ({ ...words, points: [...state.samples.read({ subject, metric: words.metric, ...stretch })] }));

  return {
    planMetrics({ params, query }) {
      const plan = state.plans.find(params.id);
      const stretch = stretchOf(query);
      const head = { id: plan.id, name: plan.name, ...stretch };
      if (!isMeasured(plan)) return { ...head, note: 'snapshot plans show no monitoring data', metrics: [] };
      return { ...head, note: '', metrics: seriesOf(`plan:${plan.id}`, ofPlans, stretch) };
    },
    vaultMetrics({ params, query }) {
      const { id, name } = state.vaults.find(params.id);
      const stretch = stretchOf(query);
      const dimension = { key: 'instance_id', value: id } as const;
      const metrics = seriesOf(`vault:${id}`, ofVaults, stretch);
      return { id, name, namespace: 'SYS.CBR', dimension, periodSeconds: vaultPeriodMs / 1000, ...stretch, metrics };
    },
    metrics: () => prometheusText(context),
  };
}
