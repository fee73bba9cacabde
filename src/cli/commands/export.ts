// agentcli export
import type { Command } from 'commander';
import type { Session } from '../session.ts';

export function addExport(noun: Command, session: Session): void {
  noun
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Prints what agentcli apply takes. Secrets are not in it: a comment stands where the file with one has to be named.

Examples:
  agentcli export > plans.yaml`,
    )
    .action(async () => {
      const client = await session.agent();
      const [{ readKnown }, { fileText, wholeFile }] = await Promise.all([import('../apply/known.ts'), import('../apply/write.ts')]);
      const known = await readKnown(client);
      if (session.json) session.printJson(wholeFile(known));
      else session.print(fileText(known));
    });
}
