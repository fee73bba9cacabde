// agentcli apply -f FILE
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import type { Client } from '../../rpc/client.ts';
import type { Step } from '../apply/step.ts';
import { readTextFile } from '../files.ts';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';

interface Options {
  readonly file: string;
  readonly dryRun?: boolean;
  readonly renewSecrets?: boolean;
}

/** No file of plans is bigger. */
const inputLimit = 1024 * 1024;

export function addApply(noun: Command, session: Session): void {
  noun
    .requiredOption('-f, --file <file>', 'YAML with pools, vaults and plans; - reads standard input')
    .option('--dry-run', 'only say what would be done')
    .option('--renew-secrets', 'send the secrets of what is there already again, too')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Makes what is missing, changes what differs, leaves alone what is equal, and never deletes. What an item leaves out stays as it is; what a
plan reads (source) counts as a whole. The whole file is checked before anything is done.

Examples:
  agentcli apply -f plans.yaml --dry-run
  agentcli apply -f plans.yaml
  agentcli export | agentcli apply -f - --dry-run`,
    )
    .action(async ({ file, dryRun, renewSecrets }: Options) => {
      const { readWanted } = await import('../apply/read.ts');
      const wanted = file === '-' ? readWanted(await standardInput(), undefined) : readWanted(readTextFile(file), file);
      const client = await session.agent();
      const [{ alone, readKnown }, { stepsFor }, { rules }] = await Promise.all([
        import('../apply/known.ts'),
        import('../apply/steps.ts'),
        session.standalone(),
      ]);
      const all = await alone(session, async () => {
        const steps = stepsFor(wanted, { known: await readKnown(client), rules, renewSecrets: renewSecrets ?? false });
        if (!dryRun) await takeSteps(session, client, steps);
        return steps;
      });
      await printSteps(session, all, dryRun ?? false);
    });
}

/** What was done before a step failed is said, too. */
async function takeSteps(session: Session, client: Client, steps: readonly Step[]): Promise<void> {
  const done: Step[] = [];
  try {
    for (const step of steps) {
      session.interrupted.throwIfAborted();
      const remark = await step.run(client);
      if (remark) session.remark(`${printable(remark)}\n`);
      if (step.action !== 'unchanged') done.push(step);
    }
  } catch (error) {
    for (const { action, kind, name } of done) session.remark(`${action}: ${kind} ${printable(name)}\n`);
    throw error;
  }
}

const colours = { created: 'green', changed: 'yellow', unchanged: 'dim' } as const;

async function printSteps(session: Session, steps: readonly Step[], dryRun: boolean): Promise<void> {
  if (session.json) {
    const items = steps.map(({ kind, name, action, changes }) => ({ kind, name, action, changes }));
    return session.printJson({ items, total: items.length, dryRun });
  }
  if (steps.length === 0) return session.remark('the file names neither pools nor vaults nor plans\n');
  const { tableText } = await import('../table.ts');
  const columns = [
    { title: dryRun ? 'WOULD BE' : 'DONE', value: ({ action }: Step, paint: Paint) => paint(colours[action], action) },
    { title: 'KIND', value: ({ kind }: Step) => kind },
    { title: 'NAME', value: ({ name }: Step, paint: Paint) => paint('bold', printable(name)) },
    { title: 'WHAT', value: ({ changes }: Step) => changes.join(', '), flexible: true },
  ];
  session.print(tableText(columns, steps, session.terminal));
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
