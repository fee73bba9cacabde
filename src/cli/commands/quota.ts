// agentcli quota …
import type { Command } from 'commander';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';

interface Line {
  readonly what: string;
  readonly used: number;
  readonly total: number;
}

export function addQuota(noun: Command, session: Session): void {
  noun.option('--json', 'print JSON').action(async () => {
    const quotas = await (await session.agent()).call('quotas', {});
    if (session.json) return session.printJson(quotas);
    const lines: readonly Line[] = [
      { what: 'backup policies', ...quotas.backupPolicies },
      { what: 'replication policies', ...quotas.replicationPolicies },
      ...quotas.vaults.map(({ name, resources }) => ({ what: `resources in the vault ${printable(name)}`, ...resources })),
    ];
    const { tableText } = await import('../table.ts');
    const columns = [
      { title: 'WHAT', value: ({ what }: Line) => what, flexible: true },
      {
        title: 'USED/TOTAL',
        value: ({ used, total }: Line, paint: Paint) => (used < total ? `${used}/${total}` : paint('red', `${used}/${total}`)),
        align: 'right' as const,
      },
    ];
    session.print(tableText(columns, lines, session.terminal));
  });
}
