// What a new instance is made from, and all that stands in its way, before anything is written.
import { dirname } from 'node:path';
import { fail } from '../../../base/errors.ts';
import type { InstanceTarget, Until } from '../../../model/service.ts';
import type { RestorableBackup, RestoreRun } from '../../../ports/restorer.ts';
import { needPlace } from '../../instance-place.ts';
import type { DumpFacts } from '../dump/facts.ts';
import type { PhysicalFacts } from '../physical/source.ts';
import { findTool } from '../tools.ts';
import { readFacts } from '../tree.ts';
import { type Owner, ownerHere } from './owner.ts';
import { needReachable } from './point.ts';

interface Basis {
  readonly major: number;
  /** Folder of the server's programs. */
  readonly bin: string;
  readonly superuser: string;
  readonly owner: Owner;
}

export interface FilesPlan extends Basis {
  readonly kind: 'files';
  readonly facts: PhysicalFacts;
  readonly logs: readonly RestorableBackup[];
  readonly until: Until | undefined;
}

export type InstancePlan = FilesPlan | (Basis & { readonly kind: 'dump' });

/** Throws DIRECTORY_NOT_EMPTY, PORT_TAKEN, TOOL_…, USAGE, NOT_IN_BACKUP, LOG_GAP, POINT_UNREACHABLE. */
export async function planInstance(target: InstanceTarget, run: RestoreRun): Promise<InstancePlan> {
  await needPlace(target);
  if (/\p{Cc}/u.test(target.directory)) fail('USAGE', { detail: 'the path of the directory holds control characters' });
  const owner = ownerHere();
  if (target.method === 'physical') {
    const facts = await readFacts<PhysicalFacts>(run.backup, run.reader, 'physical');
    const bin = await programs(facts.major, 'equal', ['initdb', 'pg_verifybackup', 'pg_controldata']);
    const logs = await Promise.all(target.logs.map((id) => run.other(id)));
    needReachable(run.backup, logs, target.until);
    return { kind: 'files', facts, logs, until: target.until, major: facts.major, bin, superuser: facts.superuser, owner };
  }
  if (target.method !== 'logical')
    fail('USAGE', {
      detail: `no PostgreSQL server can be made from a backup of the method ${target.method}: name the backup of its base plan`,
    });
  if (target.until || target.logs.length > 0)
    fail('USAGE', { detail: 'a dump is the moment at which it was made: other moments need a physical backup and its logs' });
  const facts = await readFacts<DumpFacts>(run.backup, run.reader, 'logical');
  const major = Number.parseInt(facts.serverVersion, 10);
  return { kind: 'dump', major, bin: await programs(major, 'newer', ['initdb']), superuser: facts.superuser, owner };
}

async function programs(major: number, fit: 'equal' | 'newer', others: readonly string[]): Promise<string> {
  const { path } = await findTool({ name: 'postgres', major, fit });
  for (const name of others) await findTool({ name, major, fit }, [dirname(path)]);
  return dirname(path);
}
