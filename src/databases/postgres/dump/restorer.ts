// Dumps of PostgreSQL back into a running server. A database comes under a name that nobody uses and gets its own at the end, so that
// whatever fails before leaves the server as it was; tables come in one transaction.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PostgresTarget } from '../../../model/service.ts';
import type { RestoreRun, Restorer } from '../../../ports/restorer.ts';
import type { ServiceContext } from '../../../ports/service.ts';
import type { RestoreCounts } from '../../../ports/target.ts';
import { type Asker, accessTo, openSession } from '../address.ts';
import { connectionTo, ident } from '../text.ts';
import { createDatabase, finishDatabase } from './create.ts';
import { loadDump } from './load.ts';
import { type DatabasePlan, type DumpPlan, planDump, type TablesPlan } from './plan.ts';
import { dropDatabase, takeNames } from './swap.ts';

/** `fresh`: the server is a new one of our own, which gets all that the roles of the backup had, their passwords too. */
export function postgresRestorer(target: PostgresTarget, context: ServiceContext, { fresh = false } = {}): Restorer {
  return {
    async *plan(run) {
      const plan = await planDump(target, run, context, fresh);
      for (const { role, kind } of plan.roles) if (kind === 'create') yield { action: 'create', path: `role ${role}`, bytes: 0 };
      for (const { name, there, dump } of plan.databases) {
        yield { action: there === 'no' ? 'create' : there === 'empty' ? 'update' : 'replace', path: `database ${name}`, bytes: dump.size };
      }
      for (const { name, tables } of plan.tables) {
        for (const { schema, table, there } of tables)
          yield { action: there ? 'replace' : 'create', path: `table ${name}: ${schema}.${table}`, bytes: 0 };
      }
    },
    run: async (run) => bringBack(target, await planDump(target, run, context, fresh), run, context),
  };
}

async function bringBack(target: PostgresTarget, plan: DumpPlan, run: RestoreRun, context: ServiceContext): Promise<RestoreCounts> {
  const counts = { files: 0, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: 0, bytesTotal: 0 };
  for (const space of plan.lacking)
    run.warn({ item: `tablespace ${space}`, detail: 'the server has none; what lay there comes into the default one' });
  // A session in a database would keep it from being renamed.
  const used = new Set(plan.databases.map(({ name }) => name));
  const keeper = await openSession(accessTo(target.server, used.has('postgres') ? 'template1' : 'postgres'), context.signal);
  const undo: (() => Promise<void>)[] = [];
  try {
    counts.others = await makeRoles(plan, keeper, undo);
    const loaded: { readonly plan: DatabasePlan; readonly interim: string }[] = [];
    for (const one of plan.databases) {
      run.signal.throwIfAborted();
      run.onFile(counts.files, one.name);
      const interim = `stillpoint_new_${randomBytes(6).toString('hex')}`;
      undo.push(() => dropDatabase(keeper, interim, plan.server));
      await createDatabase(keeper, interim, one.facts, plan.server);
      const access = accessTo(target.server, interim);
      const spaces = plan.lacking.length > 0 ? ['--no-tablespaces'] : [];
      counts.bytesWritten += await loadDump({ ...plan, ...context, access }, [...spaces, '-d', connectionTo(interim)], one.dump, run);
      await finishDatabase(keeper, interim, one.facts);
      loaded.push({ plan: one, interim });
      counts.files++;
    }
    for (const one of plan.tables) {
      run.onFile(counts.files, one.name);
      counts.bytesWritten += await loadTables(target, plan, one, run, context);
      counts.files += one.tables.length;
    }
    run.signal.throwIfAborted();
    counts.deleted = await takeNames(
      keeper,
      loaded.map(({ plan: { name, there }, interim }) => ({ name, interim, there: there !== 'no' })),
      plan.server,
      run.warn,
    );
    return { ...counts, bytesTotal: counts.bytesWritten };
  } catch (error) {
    for (const step of undo.reverse()) {
      await step().catch((cause: Error) =>
        run.warn({ item: 'PostgreSQL', detail: `what the restore began could not be removed: ${cause.message}` }),
      );
    }
    throw error;
  } finally {
    keeper.close();
  }
}

/** Gives how many. */
async function makeRoles({ roles }: DumpPlan, keeper: Asker, undo: (() => Promise<void>)[]): Promise<number> {
  await keeper.ask('set the way of quoting', 'SET standard_conforming_strings = on');
  for (const { kind, role, sql } of roles) {
    await keeper.ask(`make the role ${role}`, sql);
    if (kind !== 'create') continue;
    undo.push(async () => {
      await keeper.ask(`drop the role ${role}`, `DROP ROLE ${ident(role)}`);
    });
  }
  return roles.filter(({ kind }) => kind === 'create').length;
}

async function loadTables(
  target: PostgresTarget,
  plan: DumpPlan,
  one: TablesPlan,
  run: RestoreRun,
  context: ServiceContext,
): Promise<number> {
  const list = join(context.scratch(), `tables-${randomBytes(6).toString('hex')}`);
  writeFileSync(list, `${one.entries.map(({ line }) => line).join('\n')}\n`, { flag: 'wx', mode: 0o600 });
  const clean = one.tables.some(({ there }) => there) ? ['--clean', '--if-exists'] : [];
  const spaces = plan.lacking.length > 0 ? ['--no-tablespaces'] : [];
  const args = ['--single-transaction', ...clean, ...spaces, `--use-list=${list}`, '-d', connectionTo(one.name)];
  return loadDump({ ...plan, ...context, access: accessTo(target.server, one.name) }, args, one.dump, run);
}
