// What the end of a task means to people: an event, an alarm that is raised or cleared, a heartbeat.
import { failure, type Problem } from '../base/errors.ts';
import type { Level, Subject } from '../model/event.ts';
import type { TaskType } from '../model/task.ts';
import type { BackupRow } from '../state/backups.ts';
import type { TaskRow } from '../state/tasks.ts';
import type { AgentContext } from './context.ts';
import { sendHeartbeat } from './heartbeat.ts';
import type { TaskRequest } from './task-requests.ts';

/** To be called once when a task of a plan starts. */
export function tellStart(context: AgentContext, planId: string, _taskId: string): void {
  void sendHeartbeat(context, planId, 'start');
}

/** To be called once for each task that has ended, with the row as it is stored. Never throws: the end of a task must not fail by it. */
export function tellTask(context: AgentContext, task: TaskRow): void {
  try {
    context.state.transaction(() => {
      if (task.type === 'backup') tellBackup(context, task);
      else tellVaultTask(context, task);
      tellDamage(context, task);
    });
  } catch (error) {
    context.log.error({ err: error, task: task.id }, 'the end of a task could not be told');
  }
  if (task.type === 'backup' && task.planId !== null && task.state !== 'cancelled')
    void sendHeartbeat(context, task.planId, isGood(task) ? 'success' : 'failure');
}

const isGood = ({ state }: TaskRow) => state === 'done' || state === 'warnings';

function tellBackup(context: AgentContext, task: TaskRow): void {
  const { state, events, alarms } = context;
  const plan = planOf(context, task);
  const vault = vaultOf(context, task);
  const backup = task.backupId === null ? undefined : state.backups.get(task.backupId);
  const note = (type: string, level: Level, content: string) => events.note({ subject: plan, type, level, content });
  const name = backup?.name ?? task.name;
  if (isGood(task)) {
    const text = `${name}: ${sizesOf(backup)}${durationOf(task)}`;
    if (task.state === 'done') note('BACKUP_DONE', 'info', text);
    else note('BACKUP_WARNINGS', 'minor', `${text}; ${countOf(task.warningCount, 'warning')}${firstWarning(task)}`);
    for (const type of ['BACKUP_FAILED', 'BACKUP_MISSED', 'BACKUP_TOO_OLD']) alarms.clear(plan, type);
    if (vault) alarms.clear(vault, 'VAULT_FULL');
  } else if (task.state === 'cancelled') {
    note('BACKUP_CANCELLED', 'info', `${name} was cancelled${durationOf(task)}`);
  } else {
    const content = `${name} failed: ${problemText(task.problem)}`;
    note('BACKUP_FAILED', 'major', content);
    alarms.raise({ subject: plan, type: 'BACKUP_FAILED', level: 'major', content });
    if (vault && task.problem?.code === 'VAULT_FULL')
      alarms.raise({ subject: vault, type: 'VAULT_FULL', level: 'major', content: problemText(task.problem) });
  }
  tellFreeze(context, task, plan, backup);
}

/** A freeze that ran into its limit: what was frozen stood still for longer than it may, and the backup is not consistent with it. */
function tellFreeze({ alarms }: AgentContext, task: TaskRow, plan: Subject, backup: BackupRow | undefined): void {
  const [before = '', after = ''] = failure('FREEZE_EXPIRED', { seconds: '\0' }).message.split('\0');
  const reason = [task.problem?.detail, isGood(task) ? backup?.consistencyReason : undefined].find(
    (text) => text?.includes(before) && text.includes(after),
  );
  if (reason) alarms.raise({ subject: plan, type: 'LONG_FREEZE', level: 'minor', content: reason });
  else if (isGood(task)) alarms.clear(plan, 'LONG_FREEZE');
}

/** What is told of tasks on vaults: the type of the event, and what was done in words. */
const vaultTasks: { readonly [T in TaskType]?: { readonly type: string; done(task: TaskRow): string } } = {
  restore: { type: 'RESTORE', done: ({ name, result }) => `${name} restored${result?.restore ? `: ${restoredText(result.restore)}` : ''}` },
  check: { type: 'CHECK', done: ({ result }) => `no damage found${result?.check ? `, ${sizeText(result.check.bytesRead)} read` : ''}` },
  prune: { type: 'PRUNE', done: ({ result }) => `${sizeText(result?.prune?.bytesFreed ?? 0)} freed` },
  forget: { type: 'EXPIRE', done: ({ name, request }) => `${countOf(recordsOf(request as TaskRequest), 'backup')} removed (${name})` },
  'vault-create': { type: 'VAULT_CREATE', done: ({ name }) => `${name} was created` },
  'vault-attach': { type: 'VAULT_ATTACH', done: ({ name }) => `${name} was attached` },
  'vault-unlock': { type: 'VAULT_UNLOCK', done: ({ result }) => `${countOf(result?.locks?.length ?? 0, 'lock')} removed` },
  'vault-delete': { type: 'VAULT_DELETE', done: ({ name }) => `${name} was deleted` },
};

function tellVaultTask(context: AgentContext, task: TaskRow): void {
  const told = vaultTasks[task.type];
  const request = task.request as TaskRequest;
  if (!told || task.vaultId === null || ('dryRun' in request && request.dryRun)) return;
  const subject = vaultOf(context, task) ?? { kind: 'vault', id: task.vaultId, name: task.name };
  const note = (end: string, level: Level, content: string) =>
    context.events.note({ subject, type: `${told.type}_${end}`, level, content });
  if (isGood(task))
    note('DONE', task.state === 'warnings' ? 'minor' : 'info', `${told.done(task)}${durationOf(task)}${firstWarning(task)}`);
  else if (task.state === 'cancelled') note('CANCELLED', 'info', `${task.name} was cancelled`);
  else note('FAILED', 'major', `${task.name} failed: ${problemText(task.problem)}`);
}

const damageCodes: readonly string[] = ['REPO_DAMAGED', 'REPO_BLOB_MISSING', 'REPO_CONFIG', 'BACKEND_SHORT'];

/** Only a check that has read everything can say that all is well again. */
function tellDamage(context: AgentContext, task: TaskRow): void {
  const vault = vaultOf(context, task);
  if (!vault) return;
  const request = task.request as TaskRequest;
  const complete = request.type === 'check' && [true, '1/1', '100%'].includes(request.readData);
  if (task.problem && damageCodes.includes(task.problem.code))
    context.alarms.raise({ subject: vault, type: 'VAULT_DAMAGED', level: 'critical', content: problemText(task.problem) });
  else if (complete && isGood(task)) context.alarms.clear(vault, 'VAULT_DAMAGED');
}

function planOf({ state }: AgentContext, task: TaskRow): Subject {
  const name = task.planId === null ? undefined : state.plans.get(task.planId)?.name;
  return task.planId === null ? { kind: 'task', id: task.id, name: task.name } : { kind: 'plan', id: task.planId, name: name ?? task.name };
}

function vaultOf({ state }: AgentContext, { vaultId }: TaskRow): Subject | undefined {
  const vault = vaultId === null ? undefined : state.vaults.get(vaultId);
  return vault && { kind: 'vault', id: vault.id, name: vault.name };
}

const recordsOf = (request: TaskRequest) => (request.type === 'forget' ? request.records.length : 0);

const problemText = (problem: Problem | null) => (problem ? `${problem.detail}. ${problem.hint}` : 'nobody knows why');

function firstWarning({ warnings: [first] }: TaskRow): string {
  return first ? `; ${first.item}: ${first.detail}` : '';
}

function sizesOf(backup: BackupRow | undefined): string {
  return backup ? `${sizeText(backup.sizeBytes)}, ${sizeText(backup.addedBytes)} of it new` : 'done';
}

const restoredText = ({ files, bytesWritten }: { readonly files: number; readonly bytesWritten: number }) =>
  `${countOf(files, 'file')}, ${sizeText(bytesWritten)} written`;

function durationOf({ startedAt, endedAt }: TaskRow): string {
  if (startedAt === null || endedAt === null) return '';
  const seconds = Math.max(0, Math.round((endedAt - startedAt) / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `, in ${[hours && `${hours} h`, minutes && `${minutes} min`, `${seconds % 60} s`].filter(Boolean).join(' ')}`;
}

const countOf = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${Number((bytes / 1024 ** step).toPrecision(3))} ${units[step]}`;
}
