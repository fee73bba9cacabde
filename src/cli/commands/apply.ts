// agentcli apply -f FILE
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import type { Client } from '../../rpc/client.ts';
import type { Step } from '../apply/step.ts';
import { readTextFile } from '../files.ts';
import { collect } from '../parse.ts';
import type { Session } from '../session.ts';
import { printable } from '../terminal.ts';
import { helpOf } from './pool.ts';

interface Options {
  readonly file: string;
  readonly dryRun?: boolean;
  readonly renewSecrets?: boolean;
  readonly prune?: boolean;
  readonly pruneName?: readonly string[];
}

/** No file of plans is bigger. */
const inputLimit = 1024 * 1024;

export function addApply(noun: Command, session: Session): void {
  noun
    .requiredOption('-f, --file <file>', 'YAML with gateway, pools, policies, vaults and plans; - reads standard input')
    .option('--dry-run', 'only say what would be done, field by field')
    .option('--renew-secrets', 'send the secrets of what is there already again, too')
    .option('--prune', 'also remove what the lists of the file do not name; each name has to be typed')
    .option('--prune-name <name>', 'with --prune: stands for typing this name; vault/NAME where two have it (repeatable)', collect)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Makes what is missing, changes what differs, leaves alone what is equal. What an item leaves out stays as it is; what a plan reads (source)
counts as a whole. The whole file is checked before anything is done. Nothing is ever removed because the file does not name it, but with
--prune: then what is left out of a list of the file (pools, policies, vaults, plans) is removed once nothing uses it and its name was typed.

Examples:
  agentcli apply -f plans.yaml --dry-run
  agentcli apply -f plans.yaml
  agentcli apply -f plans.yaml --prune --prune-name old-plan
  agentcli export | agentcli apply -f - --dry-run`,
    )
    .action(async (options: Options, command: Command) => {
      const { file, dryRun = false, renewSecrets = false, prune = false, pruneName = [] } = options;
      if (pruneName.length > 0 && !prune) fail('USAGE_ARGUMENT', { detail: '--prune-name goes with --prune', help: helpOf(command) });
      const { readWanted } = await import('../apply/read.ts');
      const wanted = file === '-' ? readWanted(await standardInput(), undefined) : readWanted(readTextFile(file), file);
      const client = await session.agent();
      const [{ alone, readKnown }, { stepsFor }, { confirmRemovals }, { rules }] = await Promise.all([
        import('../apply/known.ts'),
        import('../apply/steps.ts'),
        import('../apply/confirm.ts'),
        session.standalone(),
      ]);
      const all = await alone(session, async () => {
        const steps = stepsFor(wanted, { known: await readKnown(client, prune), rules, renewSecrets }, prune);
        if (dryRun) return steps;
        const removed = steps.filter(({ action }) => action === 'removed');
        await confirmRemovals(session, removed, pruneName);
        await takeSteps(session, client, steps);
        return steps;
      });
      await printSteps(session, all, dryRun);
    });
}

/** What was done before a step failed is said, too. */
async function takeSteps(session: Session, client: Client, steps: readonly Step[]): Promise<void> {
  const done: Step[] = [];
  try {
    for (const step of steps) {
      session.interrupted.throwIfAborted();
      await step.run(client, (remark) => session.remark(`${printable(remark)}\n`));
      if (step.action !== 'unchanged') done.push(step);
    }
  } catch (error) {
    for (const { action, kind, name } of done) session.remark(`${action}: ${kind} ${printable(name)}\n`);
    throw error;
  }
}

async function printSteps(session: Session, steps: readonly Step[], dryRun: boolean): Promise<void> {
  if (session.json) {
    const items = steps.map(({ kind, name, action, changes }) => ({ kind, name, action, changes }));
    return session.printJson({ items, total: items.length, dryRun });
  }
  if (steps.length === 0) return session.remark('the file names nothing\n');
  const { stepsText } = await import('../apply/show.ts');
  session.print(stepsText(steps, dryRun, session.terminal));
}

async function standardInput(): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of process.stdin as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > inputLimit) fail('FILE_UNREADABLE', { path: 'standard input', detail: 'it is bigger than 1 MiB' });
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
