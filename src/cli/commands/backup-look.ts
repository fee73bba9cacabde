// agentcli backup ls, find, diff, cat: looking inside without restoring.
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import {
  type Difference,
  type DifferenceSummary,
  differenceLine,
  type Entry,
  entryLine,
  type Found,
  foundLine,
  printStream,
  summaryLine,
} from '../entries.ts';
import { collect } from '../parse.ts';
import type { Session } from '../session.ts';
import { verb } from '../verb.ts';

export function addBackupLook(noun: Command, session: Session): void {
  const { paint } = session.terminal;

  verb(noun, 'ls <backup> [path]', 'list what is in a backup', 'agentcli backup ls 8c1f2e9a /etc -l')
    .option('-r, --recursive', 'with everything below')
    .option('-l, --long', 'with mode, owner, size and time')
    .action(async (id: string, path: string | undefined, options: { readonly recursive?: boolean; readonly long?: boolean }) => {
      const { recursive, long = false } = options;
      const client = await session.agent();
      const query = { ...(path !== undefined && { path }), ...(recursive && { recursive }) };
      const lines = client.lines('backupLs', { params: { id }, query }, session.interrupted);
      await printStream(session, lines, (entry: Entry) => entryLine(entry, long, paint));
    });

  verb(
    noun,
    'find <pattern...>',
    'find paths in all backups of a vault, or in some',
    'agentcli backup find "*.conf" --vault main',
    'agentcli backup find "/etc/nginx/**" --backup 8c1f2e9a',
  )
    .option('--backup <id>', 'only in this backup; may be repeated', collect)
    .option('--vault <vault>', 'may be left out while there is just one')
    .action(async (patterns: string[], options: { readonly backup?: readonly string[]; readonly vault?: string }) => {
      const { backup, vault } = options;
      const client = await session.agent();
      const query = { pattern: patterns, ...(backup && { backup: [...backup] }), ...(vault !== undefined && { vault }) };
      const lines = client.lines('backupFind', { query }, session.interrupted);
      const count = await printStream(session, lines, (found: Found) => foundLine(found, paint));
      if (count === 0) session.remark('nothing found\n');
    });

  verb(noun, 'diff <from> <to>', 'compare two backups', 'agentcli backup diff 8c1f2e9a 02b6d4f1').action(
    async (from: string, to: string) => {
      const client = await session.agent();
      const lines = client.lines('backupDiff', { query: { from, to } }, session.interrupted);
      await printStream(
        session,
        lines,
        (difference: Difference) => differenceLine(difference, paint),
        (summary: DifferenceSummary) => summaryLine(summary),
      );
    },
  );

  verb(
    noun,
    'cat <backup> <path>',
    'write one file of a backup to standard output',
    'agentcli backup cat 8c1f2e9a /etc/fstab > fstab',
  ).action(async (id: string, path: string) => {
    const client = await session.agent();
    const bytes = await client.bytes('backupCat', { params: { id }, query: { path } }, session.interrupted);
    await pipeline(bytes, session.terminal.stdout, { end: false });
  });
}
