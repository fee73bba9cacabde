// agentcli metrics …
import type { Command } from 'commander';
import type { MetricSeries } from '../../rpc/schemas-metrics.ts';
import { formatSize, formatTime } from '../format.ts';
import type { Session } from '../session.ts';
import type { Paint } from '../terminal.ts';
import { verb } from '../verb.ts';

interface StretchOptions {
  readonly from?: string;
  readonly to?: string;
}

/** Cells of a course. */
const cells = 40;
const blocks = '▁▂▃▄▅▆▇█';

export function addMetrics(noun: Command, session: Session): void {
  noun.description('What running backups and vaults use. Without a verb: everything, as text for Prometheus.');
  noun.option('--json', 'print JSON').action(async () => {
    const text = await (await session.agent()).text('metrics', {});
    if (session.json) session.printJson({ text });
    else session.print(text);
  });

  stretchOptions(
    verb(noun, 'plan <plan>', 'what the backups of a plan used while they ran', 'agentcli metrics plan db --from 2026-03-01'),
  ).action(async (id: string, options: StretchOptions) => {
    const answer = await (await session.agent()).call('planMetrics', { params: { id }, query: queryOf(options) });
    if (answer.note && !session.json) return session.remark(`${answer.note}\n`);
    await printMetrics(session, answer, 'nothing was measured in that time: see --from and --to');
  });

  stretchOptions(verb(noun, 'vault <vault>', 'how full a vault was', 'agentcli metrics vault main')).action(
    async (id: string, options: StretchOptions) => {
      const answer = await (await session.agent()).call('vaultMetrics', { params: { id }, query: queryOf(options) });
      await printMetrics(session, answer, 'nothing was measured in that time: a vault is measured every 15 minutes');
    },
  );
}

const stretchOptions = (command: Command): Command =>
  command
    .option('--from <date>', 'not before (2026-03-01, or with a time); a day before the end if not given')
    .option('--to <date>', 'not after; now if not given');

const queryOf = ({ from, to }: StretchOptions) => ({ ...(from !== undefined && { from }), ...(to !== undefined && { to }) });

interface Answer {
  readonly from: number;
  readonly to: number;
  readonly metrics: readonly MetricSeries[];
}

async function printMetrics(session: Session, answer: Answer, empty: string): Promise<void> {
  if (session.json) return session.printJson(answer);
  const measured = answer.metrics.filter(({ points }) => points.length > 0);
  if (measured.length === 0) return session.remark(`${empty}\n`);
  const { tableText } = await import('../table.ts');
  const columns = [
    { title: 'METRIC', value: ({ title }: MetricSeries, paint: Paint) => paint('bold', title) },
    { title: 'LAST', value: (series: MetricSeries) => amount(series.points.at(-1)?.mean ?? 0, series.unit), align: 'right' as const },
    { title: 'MEAN', value: (series: MetricSeries) => amount(meanOf(series), series.unit), align: 'right' as const },
    { title: 'PEAK', value: (series: MetricSeries) => amount(peakOf(series), series.unit), align: 'right' as const },
    { title: 'COURSE', value: (series: MetricSeries) => courseText(series, answer.from, answer.to) },
  ];
  session.print(tableText(columns, measured, session.terminal));
  session.remark(`\n${formatTime(answer.from)} to ${formatTime(answer.to)}\n`);
}

const peakOf = ({ points }: MetricSeries): number => points.reduce((peak, point) => Math.max(peak, point.peak), 0);
const meanOf = ({ points }: MetricSeries): number => points.reduce((sum, { mean }) => sum + mean, 0) / points.length;

function amount(value: number, unit: string): string {
  if (unit === '%') return `${value.toFixed(1)} %`;
  if (unit === 'GB') return `${value.toFixed(2)} GB`;
  return `${formatSize(Math.round(value))}${unit === 'B/s' ? '/s' : ''}`;
}

/** Peaks over the stretch, the highest as a full block; a space where nothing was measured. */
function courseText(series: MetricSeries, from: number, to: number): string {
  const width = Math.max(1, to - from) / cells;
  const course = Array.from({ length: cells }, () => Number.NaN);
  for (const { at, peak } of series.points) {
    const cell = Math.min(cells - 1, Math.max(0, Math.floor((at - from) / width)));
    course[cell] = Math.max(course[cell] || 0, peak);
  }
  const top = peakOf(series) || 1;
  return course.map((peak) => (Number.isNaN(peak) ? ' ' : blocks[Math.round((peak / top) * (blocks.length - 1))])).join('');
}
