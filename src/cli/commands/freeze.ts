// agentcli freeze --dry-run: everything is frozen and thawed for real, with no snapshot in between, and the stall is told.
import type { Command } from 'commander';
import { fail, StillpointError } from '../../base/errors.ts';
import type { Client } from '../../rpc/client.ts';
import type { Freeze, FreezeStart } from '../../rpc/schemas-freezes.ts';
import { collectPath, parseCount } from '../parse.ts';
import type { Session } from '../session.ts';
import { printable } from '../terminal.ts';

interface FreezeOptions {
  readonly dryRun?: boolean;
  readonly fileSystem?: readonly string[];
  readonly applications: boolean;
  readonly limit?: number;
  readonly json?: boolean;
}

const pollMs = 50;
/** The agent answers at once (ms). */
const startMs = 10_000;
/** A thaw is waited for so long (ms); the agent goes on with it. */
const thawMs = 120_000;
/** Nothing is imaged in between, so that nobody need wait for longer (s). */
const defaultLimit = 20;

export function addFreeze(noun: Command, session: Session): void {
  noun
    .option('--dry-run', 'freeze and thaw at once; needed: snapshots belong to plans or to the control plane')
    .option('--file-system <mount>', 'freeze this one too; may be repeated', collectPath)
    .option('--no-applications', 'leave the freeze scripts out')
    .option('--limit <seconds>', 'everything is thawed after so long, whatever happens; 20', parseCount)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  agentcli freeze --dry-run\n  agentcli freeze --dry-run --no-applications --file-system /srv')
    .action(async (options: FreezeOptions) => {
      if (!options.dryRun) fail('USAGE_ARGUMENT', { detail: '--dry-run is missing', help: 'agentcli freeze --help' });
      const { applications, fileSystem, limit } = options;
      const body = {
        applications,
        ...(fileSystem && { fileSystems: [...fileSystem] }),
        limitSeconds: limit ?? defaultLimit,
      };
      const freeze = await tryOut(await session.agent(), body);
      if (session.json) session.printJson(freeze);
      else await printFreeze(session, freeze);
      if (freeze.problem) throw new StillpointError(freeze.problem);
      if (!freeze.held) fail('FREEZE_LOST', { name: 'the freeze', detail: freeze.lost?.reason ?? 'no reason is known' });
    });
}

async function tryOut(client: Client, body: FreezeStart): Promise<Freeze> {
  // Ctrl-C waits for the answer: who does not know its id cannot thaw it.
  let freeze = await client.call('freezeStart', { body }, { signal: AbortSignal.timeout(startMs) });
  const params = { id: freeze.id };
  // Also after Ctrl-C: nothing stays frozen for somebody who has gone.
  const thaw = () => client.call('freezeThaw', { params }, { signal: AbortSignal.timeout(thawMs) });
  let asked = false;
  try {
    while (freeze.state === 'freezing') {
      await new Promise((resolve) => setTimeout(resolve, pollMs));
      freeze = await client.call('freezeShow', { params });
    }
    if (freeze.state !== 'frozen') return freeze;
    asked = true;
    return await thaw();
  } finally {
    if (!asked && freeze.endedAt === null) await thaw().catch(() => undefined);
  }
}

async function printFreeze(session: Session, freeze: Freeze): Promise<void> {
  const { detailsText } = await import('../print.ts');
  const { paint } = session.terminal;
  const stall = freeze.steps.reduce((sum, { ms }) => sum + ms, freeze.frozenMs ?? 0);
  const held = freeze.held ? paint('green', 'held') : paint('red', 'not held');
  const rows = [
    ['Result', freeze.state === 'failed' ? paint('red', 'failed') : held],
    ['Reason', freeze.lost ? printable(freeze.lost.reason) : undefined],
    ['Frozen', freeze.names.length > 0 ? freeze.names.map(printable).join(', ') : 'nothing'],
    ['Stall', `${stall} ms at most, ${freeze.frozenMs ?? 0} ms of them with everything still`],
    [
      'Steps',
      freeze.steps
        .map(
          ({ action, name, ms, problem }) =>
            `${action} ${printable(name)}: ${ms} ms${problem ? ` ${paint('red', printable(problem.detail))}` : ''}`,
        )
        .join('\n'),
    ],
    ...Object.entries(freeze.facts).map(
      ([name, facts]) =>
        [
          printable(name),
          Object.entries(facts)
            .map(([key, value]) => printable(`${key}: ${value}`))
            .join('\n'),
        ] as const,
    ),
  ] as const;
  session.print(detailsText(`freeze ${paint('bold', freeze.id.slice(0, 8))}`, rows, paint));
}
