// The files of a base backup, proven by its own manifest, and the segments of the log beside them.
import { lchownSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { RestoreRun } from '../../../ports/restorer.ts';
import type { RestoreCounts } from '../../../ports/target.ts';
import { needNode, root } from '../tree.ts';
import { asOwner } from './owner.ts';
import { give, type InstancePlace } from './place.ts';
import type { FilesPlan } from './plan.ts';
import { writeTree } from './write-tree.ts';

/** Throws TOOL_FAILED where what was written is not what the server had given. */
export async function restoreFiles(plan: FilesPlan, place: InstancePlace, run: RestoreRun): Promise<RestoreCounts> {
  const counts = { files: 0, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: 0, bytesTotal: 0 };
  await writeTree(await needNode(run.backup, run.reader, `${root}/data`), place.data, place, run, counts);
  const { tablespaces } = plan.facts;
  if (tablespaces.length > 0) {
    mkdirSync(place.tablespaces);
    give(place.tablespaces, place.owner);
  }
  for (const { oid } of tablespaces) {
    const folder = join(place.tablespaces, oid);
    await writeTree(await needNode(run.backup, run.reader, `${root}/tablespaces/${oid}`), folder, place, run, counts);
    const link = join(place.data, 'pg_tblspc', oid);
    symlinkSync(folder, link);
    lchownSync(link, place.owner.uid, place.owner.gid);
    counts.others++;
  }
  await asOwner(place.owner, [join(plan.bin, 'pg_verifybackup'), '--quiet', '--exit-on-error', place.data], plan);
  // It names the places of the original, and the server would link there.
  rmSync(join(place.data, 'tablespace_map'), { force: true });
  return counts;
}

/** Oldest first: where two have the same segment the later one has more of it. Gives how many files. */
export async function restoreLogs({ logs }: FilesPlan, place: InstancePlace, run: RestoreRun): Promise<number> {
  const counts = { files: 0, dirs: 0, bytesWritten: 0, bytesTotal: 0 };
  mkdirSync(place.wal);
  give(place.wal, place.owner);
  for (const log of logs) {
    const wal = await needNode(log, run.reader, `${root}/wal`);
    for await (const node of run.reader.tree(wal.subtree!)) {
      if (/^[0-9A-F]{24}$/.test(node.name.toString('latin1'))) rmSync(join(place.wal, node.name.toString('latin1')), { force: true });
    }
    await writeTree(wal, place.wal, place, run, counts, { there: true });
  }
  return counts.files;
}

const limits = {
  max_connections: 'max_connections',
  max_worker_processes: 'max_worker_processes',
  max_wal_senders: 'max_wal_senders',
  max_prepared_xacts: 'max_prepared_transactions',
  max_locks_per_xact: 'max_locks_per_transaction',
} as const;

/** Settings that must not be smaller than those under which the log was written. */
export async function limitsOf(plan: FilesPlan, { data, owner }: InstancePlace): Promise<Readonly<Record<string, string>>> {
  const text = await asOwner(owner, [join(plan.bin, 'pg_controldata'), data], plan);
  const found = Object.entries(limits).flatMap(([shown, name]) => {
    const value = new RegExp(`^${shown} setting: +(\\d+)$`, 'm').exec(text)?.[1];
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(found) as Readonly<Record<string, string>>;
}
