// agentcli status
import type { Command } from 'commander';
import type { Reply } from '../../rpc/routes.ts';
import { formatDuration, formatSize, formatTime } from '../format.ts';
import type { Session } from '../session.ts';
import type { Paint } from '../terminal.ts';

export function addStatus(noun: Command, session: Session): void {
  noun.option('--json', 'print JSON').action(async () => {
    const status = await (await session.agent()).call('status', {});
    if (session.json) return session.printJson(status);
    const { detailsText } = await import('../print.ts');
    const { paint } = session.terminal;
    session.print(detailsText(`${paint('bold', 'agent')} ${paint('green', 'running')} on ${status.hostname}`, rows(status, paint), paint));
  });
}

function rows(status: Reply<'status'>, paint: Paint): readonly (readonly [string, string])[] {
  const { pools, vaults, plans, backups, tasks } = status;
  const bad = (count: number, word: string) => (count > 0 ? `, ${paint('red', `${count} ${word}`)}` : '');
  return [
    ['Version', status.version],
    ['Agent ID', status.agentId],
    ['Home', status.home],
    ['Address', `${status.address}, process ${status.pid}`],
    ['Since', `${formatTime(status.startedAt)} (${formatDuration(Date.now() - status.startedAt)})`],
    ['Memory', formatSize(status.memoryBytes)],
    ['Pools', `${pools.total}${bad(pools.offline, 'offline')}`],
    ['Vaults', `${vaults.total}${bad(vaults.error, 'in error')}`],
    ['Plans', String(plans.total)],
    ['Backups', `${backups.total}${bad(backups.error, 'in error')}`],
    ['Tasks', `${tasks.running} running, ${tasks.queued} queued${bad(tasks.failedLastDay, 'failed within a day')}`],
  ];
}
