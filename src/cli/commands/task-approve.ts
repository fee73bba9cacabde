// agentcli task approve: root says yes to one restore that goes beyond /etc/stillpoint/allow.yaml. The agent only tells what the task is; what
// it would write is settled, shown and approved here, so that nothing else can be done with the yes.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import { faultOfFolders } from '../../base/safe-file.ts';
import { approve, digestOf } from '../../config/approvals.ts';
import { layoutOf } from '../../config/layout.ts';
import { type PlacedTarget, settleTarget } from '../../engine/target-place.ts';
import type { Task } from '../../rpc/schemas-tasks.ts';
import { formatTime, shortId } from '../format.ts';
import type { RestoreRequest } from '../restore-request.ts';
import type { Session } from '../session.ts';
import { printable } from '../terminal.ts';
import { verb } from '../verb.ts';

const rootUid = 0;

export function addTaskApprove(noun: Command, session: Session, uid: () => number | undefined = () => process.getuid?.()): void {
  verb(
    noun,
    'approve <task>',
    'as root: allow a restore that root has to approve; the same restore may then be started again within 24 hours',
    'agentcli task approve 1f0c9a2b',
  )
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, options: { readonly yes?: boolean }) => {
      if (uid() !== rootUid) fail('ROOT_NEEDED', { what: 'approving a task' });
      const task = await (await session.agent()).call('taskShow', { params: { id } });
      const { record, target } = await requestOf(task);
      const settled = settleTarget(target);
      const { terminal } = session;
      for (const [title, text] of restoreText(task, record, target, settled))
        session.remark(`  ${terminal.paintError('dim', title.padEnd(9))} ${printable(text)}\n`);
      const { confirmDestruction } = await import('../prompt.ts');
      await confirmDestruction(terminal, `approving task ${shortId(task.id)}`, 'Allow this restore with the rights of root?', options.yes);
      const digest = digestOf({ record, target: settled });
      const until = approve(layoutOf(session.environment), digest, task.id, Date.now(), rootUid);
      if (session.json) session.printJson({ task: task.id, digest, until });
      else session.print(`approved once, until ${formatTime(until)}: start the same restore again\n`);
    });
}

/** Throws USAGE for a task that needs no approval, or that is described in a way nobody understands. */
async function requestOf(task: Task & { readonly restore?: unknown }): Promise<RestoreRequest> {
  const { restore } = task;
  if (restore === undefined || restore === null)
    fail('USAGE', { detail: `task ${shortId(task.id)} (${printable(task.type)}) is no restore that root could approve` });
  const { faultOfRequest } = await import('../restore-request.ts');
  const fault = faultOfRequest(restore);
  if (fault) fail('USAGE', { detail: `the agent does not say clearly what task ${shortId(task.id)} restores: ${printable(fault)}` });
  return restore as RestoreRequest;
}

/**
 * What would be written where; the place last, so that no long list scrolls it off the screen. The record's id is certain, names are what the
 * agent says.
 */
function* restoreText(task: Task, record: string, asked: PlacedTarget, settled: PlacedTarget): Generator<readonly [string, string]> {
  yield ['Backup', `${record} (${task.name} of vault ${task.vaultName ?? '-'}, says the agent)`];
  if (settled.kind === 'disk') {
    const before = asked.kind === 'disk' ? asked.map : {};
    for (const [disk, place] of Object.entries(settled.map)) yield ['Overwrite', `${placeText(before[disk], place)} with ${disk}`];
    return;
  }
  if (settled.include.length === 0) yield ['What', 'all of it'];
  for (const path of settled.include) yield ['What', path];
  yield ['Existing', settled.overwrite === 'never' ? 'left as it is' : 'overwritten'];
  if (settled.delete) yield ['Deletes', 'what the backup does not have'];
  const before = asked.kind === 'files' ? asked.path : undefined;
  yield ['To', settled.path === '/' ? '/ (in place: to where it came from)' : placeText(before, settled.path)];
}

/** Root should know where a link leads, and that others could lay another one until the restore runs. */
function placeText(asked: string | undefined, place: string): string {
  const link = asked === place ? '' : ` (asked for as ${asked})`;
  const fault = faultOfFolders(existing(dirname(place)), rootUid);
  return `${place}${link}${fault ? `; mind that ${fault}` : ''}`;
}

/** The deepest folder that is there. */
function existing(folder: string): string {
  return existsSync(folder) ? folder : existing(dirname(folder));
}
