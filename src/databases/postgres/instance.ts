// A PostgreSQL server of its own from a backup: its files, or a new cluster that a dump is loaded into, then, if asked, the log up to a
// moment. It goes on when the task has ended.
import { join } from 'node:path';

import type { Instance, InstanceTarget } from '../../model/service.ts';
import type { RestoreRun, Restorer } from '../../ports/restorer.ts';
import type { ServiceContext } from '../../ports/service.ts';
import type { RestoreCounts } from '../../ports/target.ts';
import { postgresRestorer } from './dump/restorer.ts';
import { writeConfiguration } from './instance/configuration.ts';
import { describe } from './instance/describe.ts';
import { limitsOf, restoreFiles, restoreLogs } from './instance/files.ts';
import { asOwner } from './instance/owner.ts';
import { prepareDirectory } from './instance/place.ts';
import { type FilesPlan, type InstancePlan, planInstance } from './instance/plan.ts';
import { recoverySettings } from './instance/point.ts';
import { ranOut, startServer } from './instance/server.ts';

export function postgresInstance(target: InstanceTarget, context: ServiceContext): Restorer {
  return {
    async *plan(run) {
      const plan = await planInstance(target, run);
      yield { action: 'create', path: target.directory, bytes: run.backup.totalBytes };
      if (plan.kind === 'files')
        for (const { record, totalBytes } of plan.logs)
          yield { action: 'create', path: join(target.directory, 'wal', record), bytes: totalBytes };
    },
    run: async (run) => {
      const plan = await planInstance(target, run);
      return plan.kind === 'files' ? fromFiles(plan, target, run) : fromDump(plan, target, run, context);
    },
  };
}

type Made = RestoreCounts & { readonly instance: Instance };

async function fromFiles(plan: FilesPlan, target: InstanceTarget, run: RestoreRun): Promise<Made> {
  const place = await prepareDirectory(target, plan);
  const counts = { ...(await restoreFiles(plan, place, run)) };
  const replay = plan.logs.length > 0;
  if (replay) counts.files += await restoreLogs(plan, place, run);
  const settings = { ...(await limitsOf(plan, place)), timezone: plan.facts.timeZone };
  const startWith = async (recovery: Readonly<Record<string, string>>) => {
    await writeConfiguration(place, plan, { ...settings, ...recovery });
    return startServer(place, plan, run.signal);
  };
  const server = await startWith(replay ? recoverySettings(plan.until) : {}).catch((error: unknown) => {
    // The log holds all until that moment and nothing after it, so the server found none to stop at: the end is that moment.
    if (run.signal.aborted || plan.until === undefined || !ranOut(place.log)) throw error;
    return startWith(recoverySettings(undefined));
  });
  return { ...counts, instance: describe(server, place, plan) };
}

async function fromDump(
  plan: Extract<InstancePlan, { kind: 'dump' }>,
  target: InstanceTarget,
  run: RestoreRun,
  context: ServiceContext,
): Promise<Made> {
  const place = await prepareDirectory(target, plan);
  await asOwner(
    place.owner,
    [join(plan.bin, 'initdb'), '-D', place.data, '-U', plan.superuser, '-A', 'trust', '-E', 'UTF8', '--no-locale'],
    plan,
  );
  await writeConfiguration(place, plan, {});
  const server = await startServer(place, plan, run.signal);
  try {
    const address = { socket: place.socket, port: target.port, user: plan.superuser };
    const into = { kind: 'postgres', server: address, databases: [], tables: [], as: {}, existing: 'replace' } as const;
    const counts = await postgresRestorer(into, context, { fresh: true }).run(run);
    return { ...counts, instance: describe(server, place, plan) };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
