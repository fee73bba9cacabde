// What a task has done, in words.
import type { CheckReport, PruneReport, RecoverReport, TaskResult } from '../model/task.ts';
import type { RestoreCounts, RestoreStep } from '../ports/target.ts';
import type { Task } from '../rpc/schemas-tasks.ts';
import { formatCount, formatDuration, formatSize, plural, shortId } from './format.ts';
import { stateText } from './print.ts';
import { type Paint, printable } from './terminal.ts';

/** Warnings that are listed; the task keeps more. */
const warningsShown = 20;
const stepsShown = 200;
const damagesShown = 50;

/** One line what the task was and how it ended, then what it found or did. */
export function outcomeText(task: Task, paint: Paint): string {
  const took = task.startedAt !== null && task.endedAt !== null ? ` in ${formatDuration(task.endedAt - task.startedAt)}` : '';
  const name = task.name ? ` ${printable(task.name)}` : '';
  const head = `${paint('bold', task.type)}${name} ${task.state === 'warnings' ? paint('yellow', 'done with warnings') : stateText(task.state, paint)}${took}\n`;
  return task.result ? head + resultText(task.result, paint) : head;
}

/** The parts of a result that are worth a line. */
export function resultText(result: TaskResult, paint: Paint): string {
  const { record, restore, steps, instance, check, prune, recovered, records, locks } = result;
  return [
    record?.summary &&
      `  backup ${paint('cyan', shortId(record.id))}  ${formatSize(record.summary.totalBytes)} in ${plural(record.summary.totalFiles, 'file')}, ` +
        `${formatSize(record.summary.dataAddedPacked)} added to the vault\n`,
    record && !record.summary && `  backup ${paint('cyan', shortId(record.id))}\n`,
    steps && stepsText(steps, paint),
    restore && !steps && restoreText(restore),
    instance &&
      `  a server runs in ${printable(instance.directory)} at port ${instance.port}: ${printable(instance.connect)}\n  stop and remove it: agentcli instance remove ${printable(instance.directory)}\n`,
    check && checkText(check, paint),
    prune && pruneText(prune),
    recovered && recoveredText(recovered),
    records && `  ${plural(records.length, 'backup')} found\n`,
    locks && `  ${plural(locks.length, 'lock')} removed\n`,
  ]
    .filter(Boolean)
    .join('');
}

function restoreText(counts: RestoreCounts): string {
  const parts = [
    `${formatSize(counts.bytesWritten)} of ${formatSize(counts.bytesTotal)} written`,
    ...(counts.files > 0 ? [plural(counts.files, 'file')] : []),
    ...(counts.skipped > 0 ? [`${formatCount(counts.skipped)} left as they were`] : []),
    ...(counts.deleted > 0 ? [`${formatCount(counts.deleted)} deleted`] : []),
  ];
  return `  ${parts.join(', ')}\n`;
}

const stepSigns: Readonly<Record<RestoreStep['action'], readonly ['+' | '~' | '=' | '-', 'green' | 'yellow' | 'dim' | 'red']>> = {
  create: ['+', 'green'],
  write: ['~', 'yellow'],
  replace: ['~', 'yellow'],
  update: ['~', 'yellow'],
  keep: ['=', 'dim'],
  delete: ['-', 'red'],
  run: ['~', 'yellow'],
};

/** A restore's plan: what it would do to each path, what is destroyed first, and the sums. */
export function stepsText(steps: readonly RestoreStep[], paint: Paint, most = stepsShown): string {
  const order: readonly RestoreStep['action'][] = ['delete', 'replace', 'write', 'run', 'update', 'create'];
  // What runs before and after a load stays around it.
  const rank = ({ action }: RestoreStep) => order.indexOf(action === 'run' ? 'write' : action);
  const changing = steps.filter((step) => step.action !== 'keep').sort((a, b) => rank(a) - rank(b));
  const lines = changing.slice(0, most).map((step) => {
    const [sign, colour] = stepSigns[step.action];
    const size = weightless(step.action) ? '' : `  ${paint('dim', formatSize(step.bytes))}`;
    return `  ${paint(colour, `${sign} ${step.action.padEnd(7)}`)} ${printable(step.path)}${size}\n`;
  });
  const more = changing.length > most ? [`  … and ${formatCount(changing.length - most)} more\n`] : [];
  const sums = order
    .map((action) => [action, steps.filter((step) => step.action === action)] as const)
    .filter(([, of]) => of.length > 0)
    .map(([action, of]) => `${action} ${formatCount(of.length)}${weightless(action) ? '' : ` (${formatSize(sum(of))})`}`);
  const kept = steps.length - changing.length;
  const total = [...sums, ...(kept > 0 ? [`keep ${formatCount(kept)}`] : [])].join(', ') || 'nothing to do';
  return `${lines.join('')}${more.join('')}  plan: ${total}\n`;
}

const weightless = (action: RestoreStep['action']): boolean => action === 'delete' || action === 'run';

function sum(steps: readonly RestoreStep[]): number {
  return steps.reduce((bytes, step) => bytes + step.bytes, 0);
}

function checkText(report: CheckReport, paint: Paint): string {
  const read = report.bytesRead > 0 ? `, ${formatSize(report.bytesRead)} read` : '';
  const head = `  ${plural(report.packs, 'pack')}, ${plural(report.blobs, 'block')} checked${read}: `;
  const verdict =
    report.errors.length === 0 ? paint('green', 'no damage') : paint('red', `${plural(report.errors.length, 'damaged item')}`);
  const damages = report.errors
    .slice(0, damagesShown)
    .map(({ kind, name, detail }) => `  ${paint('red', '!')} ${kind} ${name}: ${printable(detail)}\n`);
  const more =
    report.errors.length > damagesShown ? [`  … and ${formatCount(report.errors.length - damagesShown)} more (--json lists all)\n`] : [];
  const hurt = Object.entries(report.hurt).map(
    ([id, blocks]) => `  backup ${paint('cyan', shortId(id))} needs ${plural(blocks.length, 'damaged block')}\n`,
  );
  const notes = report.notes.map((note) => `  ${printable(note)}\n`);
  return [`${head}${verdict}\n`, ...damages, ...more, ...hurt, ...notes].join('');
}

function pruneText(report: PruneReport): string {
  const { dryRun, bytesFreed, bytesBefore, packsBefore, packsRemoved, packsRepacked, packsLocked } = report;
  const verb = dryRun ? 'would be ' : '';
  return (
    `  ${formatSize(bytesFreed)} of ${formatSize(bytesBefore)} ${verb}freed: ` +
    `${formatCount(packsRemoved)} of ${plural(packsBefore, 'pack')} ${verb}removed, ${formatCount(packsRepacked)} repacked${packsLocked ? `, ${formatCount(packsLocked)} are locked still` : ''}\n`
  );
}

/** The first warnings of a task, one a line. */
export function warningsText(task: Task, paint: Paint): string {
  const { warnings, warningCount, id } = task;
  const lines = warnings
    .slice(0, warningsShown)
    .map(({ item, detail }) => `${paint('yellow', 'warning:')} ${printable(item)}: ${printable(detail)}\n`);
  const more = warningCount - lines.length;
  return lines.join('') + (more > 0 ? `… and ${formatCount(more)} more: agentcli task show ${shortId(id)} --json\n` : '');
}

/** What was, or would be, done. */
export function recoveredText({ putBack, bytes, hidden, kept, dryRun }: RecoverReport): string {
  const done = dryRun ? 'to be put back' : 'put back';
  return `  ${plural(putBack, 'file')} ${done} (${formatSize(bytes)}), ${formatCount(hidden)} ${dryRun ? 'to be hidden' : 'hidden'}, ${formatCount(kept)} as they were\n`;
}
