// agentcli policy …
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import type { Policy } from '../../rpc/schemas-policies.ts';
import { formatTime, shortId } from '../format.ts';
import { printList, readPages } from '../list.ts';
import { type RuleOptions, retentionFromOptions, ruleFromOptions, ruleOptions } from '../rule-options.ts';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';
import { type ListOptions, listOptions, verb } from '../verb.ts';
import { helpOf } from './pool.ts';

interface PolicyOptions extends RuleOptions {
  readonly name?: string;
  readonly enabled?: boolean;
  readonly disabled?: boolean;
}

export function addPolicy(noun: Command, session: Session): void {
  ruleOptions(
    verb(
      noun,
      'create <name>',
      'say when backups are made, and how long they stay',
      'agentcli policy create nightly --hours 2 --keep 30',
      'agentcli policy create office --hours 8,12,16 --weekdays mon-fri --zone Europe/Berlin --keep-days 90 --full-every 30',
      'agentcli policy create years --cron "30 1 * * *" --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --keep-yearly 10',
    ),
  )
    .option('--disabled', 'it neither starts nor expires anything until it is enabled')
    .action(async (name: string, options: PolicyOptions, command: Command) => {
      const { schedule, ...rule } = ruleFromOptions(options, helpOf(command));
      if (!schedule) return fail('USAGE_ARGUMENT', { detail: 'say when: --cron or --hours', help: helpOf(command) });
      const body = { name, schedule, ...rule, ...(options.disabled && { enabled: false }) };
      const policy = await (await session.agent()).call('policyCreate', { body });
      if (session.json) return session.printJson(policy);
      session.print(`policy ${session.terminal.paint('bold', policy.name)} created: ${policy.text}\n`);
      session.remark(`apply it to a vault with: agentcli policy apply ${policy.name} VAULT\n`);
    });

  listOptions(verb(noun, 'list', 'list policies', 'agentcli policy list')).action(async (options: ListOptions) => {
    const client = await session.agent();
    const page = await readPages(options, (query) => client.call('policyList', { query }));
    const columns = [
      { title: 'NAME', value: (policy: Policy, paint: Paint) => paint('bold', policy.name) },
      { title: 'RULE', value: (policy: Policy) => policy.text, flexible: true },
      { title: 'VAULTS', value: (policy: Policy) => policy.vaults.join(', ') || '-' },
      { title: 'PLANS', value: (policy: Policy) => policy.plans.join(', ') || '-' },
      { title: 'NEXT', value: (policy: Policy, paint: Paint) => (policy.enabled ? formatTime(policy.next) : paint('yellow', 'disabled')) },
    ];
    await printList(session, page, () => columns, 'no policy yet: agentcli policy create --help');
  });

  verb(noun, 'show <policy>', 'show a policy', 'agentcli policy show nightly').action(async (id: string) =>
    printPolicy(session, await (await session.agent()).call('policyShow', { params: { id } })),
  );

  ruleOptions(verb(noun, 'update <policy>', 'change a policy; what is not named stays', 'agentcli policy update nightly --keep-months 3'))
    .option('--name <name>', 'new name')
    .option('--enabled', 'it starts and expires again')
    .option('--disabled', 'it neither starts nor expires anything')
    .action(async (id: string, options: PolicyOptions, command: Command) => {
      const { name, enabled, disabled } = options;
      if (enabled && disabled) fail('USAGE_ARGUMENT', { detail: 'enabled or disabled, not both', help: helpOf(command) });
      const body = {
        ...ruleFromOptions(options, helpOf(command)),
        ...(name !== undefined && { name }),
        ...((enabled || disabled) && { enabled: enabled === true }),
      };
      if (Object.keys(body).length === 0) fail('USAGE_ARGUMENT', { detail: 'there is nothing to change', help: helpOf(command) });
      await printPolicy(session, await (await session.agent()).call('policyUpdate', { params: { id }, body }));
    });

  verb(noun, 'delete <policy>', 'delete a policy that nothing uses; backups stay', 'agentcli policy delete nightly')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, options: { readonly yes?: boolean }) => {
      const client = await session.agent();
      const policy = await client.call('policyShow', { params: { id } });
      const { confirmDestruction } = await import('../prompt.ts');
      await confirmDestruction(session.terminal, `deleting the policy ${policy.name}`, `Delete the policy ${policy.name}?`, options.yes);
      const removed = await client.call('policyDelete', { params: { id: policy.id } });
      if (session.json) session.printJson(removed);
      else session.print(`policy ${policy.name} deleted\n`);
    });

  verb(noun, 'apply <policy> <vault>', 'let a vault’s plans run by a policy', 'agentcli policy apply nightly main').action(
    async (policy: string, vault: string) => {
      const changed = await (await session.agent()).call('policyApply', { params: { id: vault }, body: { policy } });
      if (session.json) session.printJson(changed);
      else
        session.print(
          `the plans of the vault ${changed.name} run by the policy ${policy} now, unless they are manual or have a timer of their own\n`,
        );
    },
  );

  verb(noun, 'remove <vault>', 'take the policy from a vault', 'agentcli policy remove main').action(async (vault: string) => {
    const changed = await (await session.agent()).call('policyRemove', { params: { id: vault } });
    if (session.json) return session.printJson(changed);
    session.print(`the vault ${changed.name} has no policy any more\n`);
    session.remark('backups kept for a time still expire; backups kept by number stay until they are deleted\n');
  });

  ruleOptions(
    verb(
      noun,
      'preview <plan>',
      'what retention keeps of a plan, and why; changes nothing',
      'agentcli policy preview etc',
      'agentcli policy preview etc --keep 7 --at 2026-12-31',
    ),
  )
    .option('--at <date>', 'as if it were then')
    .action(async (id: string, options: RuleOptions & { readonly at?: string }, command: Command) => {
      const retention = retentionFromOptions(options, helpOf(command));
      const { at } = options;
      const body = { ...(retention && { retention }), ...(at !== undefined && { at }) };
      const preview = await (await session.agent()).call('policyPreview', { params: { id }, body });
      if (session.json) return session.printJson(preview);
      const { tableText } = await import('../table.ts');
      type Item = (typeof preview.items)[number];
      const columns = [
        { title: 'ID', value: (item: Item, paint: Paint) => paint('cyan', shortId(item.id)) },
        { title: 'TIME', value: (item: Item) => formatTime(item.time) },
        { title: 'NAME', value: (item: Item) => printable(item.name) },
        { title: '', value: (item: Item, paint: Paint) => (item.keep ? paint('green', 'keep') : paint('red', 'remove')) },
        { title: 'WHY', value: (item: Item) => item.reason, flexible: true },
      ];
      if (preview.items.length > 0) session.print(tableText(columns, preview.items, session.terminal));
      session.remark(`${preview.removed} of ${preview.items.length} would be removed; nothing was changed\n`);
    });
}

async function printPolicy(session: Session, policy: Policy): Promise<void> {
  if (session.json) return session.printJson(policy);
  const { detailsText } = await import('../print.ts');
  const { paint } = session.terminal;
  const rows = [
    ['ID', policy.id],
    ['State', policy.enabled ? 'enabled' : paint('yellow', 'disabled: it neither starts nor expires anything')],
    ['Rule', policy.text],
    ['Vaults', policy.vaults.join(', ') || undefined],
    ['Plans', policy.plans.join(', ') || undefined],
    ['Next start', policy.next === null ? undefined : formatTime(policy.next)],
    ['Created', formatTime(policy.createdAt)],
    ['Changed', policy.updatedAt !== policy.createdAt ? formatTime(policy.updatedAt) : undefined],
  ] as const;
  session.print(detailsText(`policy ${paint('bold', policy.name)}`, rows, paint));
}
