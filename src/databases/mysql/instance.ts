// A MySQL or MariaDB server of its own from a backup: check → write → recover, unseen by anybody → let clients in.
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { Instance, InstanceTarget } from '../../model/service.ts';
import type { RestoreRun, Restorer } from '../../ports/restorer.ts';
import type { ServiceContext } from '../../ports/service.ts';
import type { RestoreCounts } from '../../ports/target.ts';
import { keepInstance, removeSocketFolder } from '../instance.ts';
import { needPlace } from '../instance-place.ts';
import { configurationText } from './instance/configuration.ts';
import { firstStart, type Reached } from './instance/first-start.ts';
import { type Layout, makeLayout, openDoor } from './instance/layout.ts';
import { logicalBackup, physicalBackup, snapshotBackup, type Wanted } from './instance/methods.ts';
import { needReach, type Owner, type ServerProgram, serverOwner, serverProgram } from './instance/program.ts';
import { runServer } from './instance/run-server.ts';
import { faults } from './instance/soundness.ts';

/** As restores of files call theirs. */
const marker = '.stillpoint-restore-incomplete';

const methods: Readonly<Record<string, (run: RestoreRun) => Promise<Wanted>>> = {
  logical: logicalBackup,
  physical: physicalBackup,
  snapshot: snapshotBackup,
};

interface Ready {
  readonly wanted: Wanted;
  readonly program: ServerProgram;
  readonly owner: Owner;
}

/**
 * Throws USAGE, DIRECTORY_NOT_EMPTY, PORT_TAKEN, TOOL_MISSING, TOOL_VERSION, NOT_IN_BACKUP and POINT_UNREACHABLE before anything is written;
 * then TARGET_…, TOOL_FAILED, INSTANCE_FAILED: the directory stays as it is, with a marker in it.
 */
export async function mysqlInstance(target: InstanceTarget, context: ServiceContext): Promise<Restorer> {
  const { directory, port } = target;

  const prepare = async (run: RestoreRun): Promise<Ready> => {
    await needPlace(target);
    if (target.until && target.logs.length === 0)
      fail('POINT_UNREACHABLE', { point: JSON.stringify(target.until), detail: 'no backup of the log was given', id: run.backup.record });
    const method = methods[target.method] ?? fail('USAGE', { detail: `a ${target.method} backup of MySQL makes no server by itself` });
    const wanted = await method(run);
    await wanted.ready();
    const owner = serverOwner();
    await needReach(directory, owner);
    return { wanted, program: await serverProgram(wanted.facts.kind, wanted.facts.version), owner };
  };

  return {
    async *plan(run) {
      const { wanted } = await prepare(run);
      const { kind, version = '' } = wanted.facts;
      yield {
        action: 'create',
        path: `${directory} (${kind} ${version} on port ${port})`.replace(/ {2,}/g, ' '),
        bytes: run.backup.totalBytes,
      };
      for (const log of target.logs) yield { action: 'write', path: `the binary log of backup ${log}`, bytes: 0 };
    },
    run: async (run) => {
      const { wanted, program, owner } = await prepare(run);
      const counts: RestoreCounts = { files: 0, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: 0, bytesTotal: 0 };
      const layout = makeLayout(directory, owner);
      writeFileSync(join(directory, marker), `${JSON.stringify({ record: run.backup.record })}\n`, { flag: 'wx' });
      writeConfiguration(layout, port, wanted);
      try {
        await wanted.fill(run, layout, counts, program);
        await firstStart(program, layout, wanted.first(layout), run.signal, (reached) => complete(run, wanted, reached));
        openDoor(layout);
        const instance = await start(program, layout, run.signal);
        rmSync(join(directory, marker));
        return { ...counts, instance };
      } catch (error) {
        removeSocketFolder(layout.socket);
        throw error;
      }
    },
  };

  /** What has to come into it before anybody sees it. */
  async function complete(run: RestoreRun, wanted: Wanted, { address, ask }: Reached): Promise<void> {
    await wanted.load?.(run, address, context);
    if (target.logs.length > 0) await applyLogs(run, address);
    for (const { name, reason } of await faults(ask)) run.warn({ item: name, detail: `the new server finds it damaged: ${reason}` });
  }

  async function applyLogs(run: RestoreRun, address: Reached['address']): Promise<void> {
    const { logUntil: base } = run.backup.tags;
    if (!base) return fail('LOG_BASE', { detail: 'the backup does not say where in the binary log it stands' });
    const { applyBinlogs } = await import('./binlog/apply.ts');
    const { logs, until } = target;
    await applyBinlogs({ address, user: address.user, run, base, logs, until, context });
  }

  async function start(program: ServerProgram, layout: Layout, signal: AbortSignal): Promise<Instance> {
    const server = await runServer(program, layout, [], signal);
    try {
      const client = program.kind === 'MariaDB' ? 'mariadb' : 'mysql';
      const connect = `${client} --socket=${layout.socket} --user=root --password`;
      const instance: Instance = { engine: 'mysql', directory, port, socket: layout.socket, pid: server.pid, connect };
      keepInstance(instance);
      return instance;
    } catch (error) {
      await server.kill();
      throw error;
    }
  }
}

function writeConfiguration(layout: Layout, port: number, { facts, options }: Wanted): void {
  writeFileSync(layout.configuration, configurationText(layout, port, facts.settings ?? {}, options(layout)), { flag: 'wx' });
  chmodSync(layout.configuration, 0o644); // it holds no secrets, and the server's user has to read it
}
