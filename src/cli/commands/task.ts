// agentcli task …
import type { Command } from 'commander';
import type { Task, TaskState } from '../../rpc/schemas-tasks.ts';
import { formatDuration, formatTime, shortId, shortIds } from '../format.ts';
import { printList, readPages } from '../list.ts';
import type { Session } from '../session.ts';
import { waitForTask } from '../start.ts';
import { type Paint, printable } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb } from '../verb.ts';
import { addTaskApprove } from './task-approve.ts';

const states = ['queued', 'running', 'done', 'warnings', 'failed', 'cancelled', 'died'] as const satisfies readonly TaskState[];

interface Filters extends ListOptions {
  readonly state?: TaskState;
  readonly type?: string;
  readonly vault?: string;
  readonly plan?: string;
  readonly backup?: string;
}

export function addTask(noun: Command, session: Session): void {
  listOptions(verb(noun, 'list', 'list tasks, the newest first', 'agentcli task list --state failed'))
    .addOption(choice('--state <state>', 'only tasks in this state', states).helpGroup('Filters:'))
    .option('--type <type>', 'only tasks of this type (backup, restore, check …)')
    .option('--vault <vault>', 'only tasks of this vault')
    .option('--plan <plan>', 'only tasks of this plan')
    .option('--backup <id>', 'only tasks of this backup')
    .action(async (options: Filters) => {
      const client = await session.agent();
      const { state, type, vault, plan, backup } = options;
      const filters = {
        ...(state && { state }),
        ...(type && { type }),
        ...(vault && { vault }),
        ...(plan && { plan }),
        ...(backup && { backup }),
      };
      const page = await readPages(options, (query) => client.call('taskList', { query: { ...query, ...filters } }));
      const { stateText } = await import('../print.ts');
      const columns = (tasks: readonly Task[]) => {
        const ids = shortIds(tasks.map((task) => task.id));
        return [
          { title: 'ID', value: (task: Task, paint: Paint) => paint('cyan', ids.get(task.id) ?? task.id) },
          { title: 'TYPE', value: (task: Task) => task.type },
          { title: 'STATE', value: (task: Task, paint: Paint) => stateText(task.state, paint) + percentText(task) },
          { title: 'OF', value: (task: Task) => printable(task.name || task.planName || task.vaultName || '-'), flexible: true },
          { title: 'STARTED', value: (task: Task) => formatTime(task.startedAt ?? task.createdAt) },
          { title: 'TOOK', value: (task: Task) => tookText(task), align: 'right' as const },
        ];
      };
      await printList(session, page, columns, 'no task yet');
    });

  verb(noun, 'show <task>', 'show a task with its warnings and its result', 'agentcli task show 1f0c9a2b').action(async (id: string) => {
    const task = await (await session.agent()).call('taskShow', { params: { id } });
    if (session.json) return session.printJson(task);
    await printTask(session, task);
  });

  verb(noun, 'wait <task>', 'wait for the end of a task and show its progress', 'agentcli task wait 1f0c9a2b')
    .option('--cancel-on-interrupt', 'Ctrl-C cancels the task instead of leaving it alone')
    .action(async (id: string, options: { readonly cancelOnInterrupt?: boolean }) => {
      await waitForTask(session, await (await session.agent()).call('taskShow', { params: { id } }), options);
    });

  verb(noun, 'cancel <task>', 'cancel a task; what it stored is not stored again next time', 'agentcli task cancel 1f0c9a2b').action(
    async (id: string) => {
      const task = await (await session.agent()).call('taskCancel', { params: { id } });
      if (session.json) session.printJson(task);
      else session.print(`task ${shortId(task.id)} ${task.state === 'running' ? 'is being cancelled' : task.state}\n`);
    },
  );
  addTaskApprove(noun, session);
}

function percentText(task: Task): string {
  const progress = task.state === 'running' ? task.progress : null;
  return progress && progress.bytesTotal > 0 ? ` ${Math.floor((100 * progress.bytesDone) / progress.bytesTotal)} %` : '';
}

function tookText(task: Task): string {
  if (task.startedAt === null) return '-';
  return formatDuration((task.endedAt ?? Date.now()) - task.startedAt);
}

async function printTask(session: Session, task: Task): Promise<void> {
  const [{ detailsText, stateText }, { resultText, warningsText }, { progressFigures }] = await Promise.all([
    import('../print.ts'),
    import('../outcome.ts'),
    import('../progress.ts'),
  ]);
  const { paint } = session.terminal;
  const rows = [
    ['ID', task.id],
    ['Vault', task.vaultName ?? undefined],
    ['Plan', task.planName ?? undefined],
    ['Backup', task.backupId ?? undefined],
    ['Created', formatTime(task.createdAt)],
    ['Started', task.startedAt === null ? undefined : formatTime(task.startedAt)],
    ['Ended', task.endedAt === null ? undefined : `${formatTime(task.endedAt)} (took ${tookText(task)})`],
    ['Progress', task.state === 'running' && task.progress ? progressFigures(task.progress).join(', ') : undefined],
    ['Warnings', task.warningCount > 0 ? String(task.warningCount) : undefined],
    ['Error', task.problem ? `${printable(task.problem.detail)} (${task.problem.code})` : undefined],
    ['Hint', task.problem ? printable(task.problem.hint) : undefined],
  ] as const;
  session.print(detailsText(`${task.type} ${paint('bold', printable(task.name))} ${stateText(task.state, paint)}`, rows, paint));
  if (task.result) session.print(resultText(task.result, paint));
  session.print(warningsText(task, paint));
}
