// A home with a copy of a prepared vault, the tasks that run in it, and what is checked after each fault.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTaskProcess, type TaskEnd, type TaskProcess } from '../../src/agent/task-process.ts';
import { localBackend } from '../../src/backends/local.ts';
import { runtimeFlags, runtimeVariables } from '../../src/host/programs.ts';
import { startHere } from '../../src/host/start.ts';
import type { TaskSpec, VaultAccess } from '../../src/model/task.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { noise } from './disk-image.ts';
import { needPrograms } from './programs.ts';
import type { FaultSettings } from './rdtask-faulty.ts';
import { restic } from './restic.ts';
import { backupTask, filesOf, testVault } from './vault.ts';

needPrograms(['restic', 'rsync'], 'restic rsync');

export const scripts = {
  plain: fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url)),
  faulty: fileURLToPath(new URL('./rdtask-faulty.ts', import.meta.url)),
};

export const full = Boolean(process.env['STILLPOINT_FULL']);
export const password = 'password of the agent';
export const vaultPath = 'shop/agent';

/** Packs of one or two files and an index every 15 blocks: a small run has many operations. */
export const tiny = { packSize: 48 << 10, flushBlobs: 15 };

export const noFault: FaultSettings = { dieAt: 0, moment: 'before', victims: ['task'], millisecondsEach: 3000, ahead: 0, ...tiny };

export interface RunningTask {
  readonly process: TaskProcess;
  readonly ended: Promise<TaskEnd>;
  /** Names of lock files that were told to be written and not yet to be removed. */
  readonly locks: ReadonlySet<string>;
  readonly text: () => string;
}

export interface StoredPack {
  readonly name: string;
  readonly size: number;
}

export type FaultHome = ReturnType<typeof faultHome>;

/** `pool` is copied, if given. */
export function faultHome(pool?: string) {
  const home = mkdtempSync(join(tmpdir(), 'fault-'));
  const here = join(home, 'pool');
  if (pool) cpSync(pool, here, { recursive: true, preserveTimestamps: true });
  const vault = testVault(here, vaultPath, password);
  const stock = restic('restic', vault.location, password, home);

  const start = (spec: TaskSpec, script = scripts.plain): RunningTask => {
    const locks = new Set<string>();
    let text = '';
    const environment = { PATH: process.env['PATH'] ?? '', AGENT_HOME: home, TMPDIR: home, ...runtimeVariables };
    const process_ = startTaskProcess(
      spec,
      {
        start: ({ output }) => startHere({ argv: [...runtimeFlags, script], cwd: home, env: environment }, { niceness: 0, output }),
        patience: { term: 10_000, kill: 20_000 },
      },
      {
        onText: (piece) => {
          text += Buffer.from(piece).toString();
        },
        onEvent: (event) => {
          if (event.type === 'lock-write') locks.add(event.name);
          if (event.type === 'lock-removed') locks.delete(event.name);
        },
      },
    );
    return { process: process_, ended: process_.ended, locks, text: () => text };
  };

  return {
    home,
    pool: here,
    vault,
    stock,
    access: vault.access,
    start,
    /** The whole packs in the vault. */
    packs: (): StoredPack[] => {
      const data = join(vault.location, 'data');
      const names = existsSync(data) ? readdirSync(data, { recursive: true, encoding: 'utf8' }) : [];
      return names
        .filter((name) => /\/[0-9a-f]{64}$/.test(name))
        .map((name) => ({ name: name.slice(-64), size: statSync(join(data, name)).size }));
    },
    /** The names of the packs that index files list. */
    listed: async (): Promise<ReadonlySet<string>> => {
      const repository = await openRepository(localBackend({ root: here, path: vaultPath }), password);
      await repository.loadIndex();
      return new Set(repository.state.packs.names);
    },
    /** Whole files only: what a save that was killed left half-written is a lock to nobody. */
    lockFiles: (): string[] =>
      existsSync(join(vault.location, 'locks'))
        ? readdirSync(join(vault.location, 'locks')).filter((name) => /^[0-9a-f]{64}$/.test(name))
        : [],
    /** Runs the task with its fault. */
    strike: async (spec: TaskSpec, fault: FaultSettings) => {
      writeFileSync(join(home, 'fault.json'), JSON.stringify(fault));
      const task = start(spec, scripts.faulty);
      const end = await task.ended;
      rmSync(join(home, 'fault.json'), { force: true });
      return { end, locks: [...task.locks], text: task.text() };
    },
    operations: (): string[] => readFileSync(join(home, 'operations'), 'utf8').trim().split('\n'),
    /** Removes the dead locks that were noted, as the agent does. */
    unlock: async (names: readonly string[]) => (await vault.run({ type: 'vault-unlock', ownLocks: names, all: false })).locks ?? [],
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}

/** A home with a copy of `pool` that is gone afterwards, however it ended. */
export async function withHome<T>(pool: string, work: (bed: FaultHome) => Promise<T>): Promise<T> {
  const bed = faultHome(pool);
  try {
    return await work(bed);
  } finally {
    bed.remove();
  }
}

export const bytesOf = (packs: readonly StoredPack[]): number => packs.reduce((sum, { size }) => sum + size, 0);

export function backupSpec(vault: VaultAccess, ...paths: readonly string[]): Extract<TaskSpec, { type: 'backup' }> {
  return { ...backupTask(filesOf(...paths)), vault };
}

/** Files of `size` bytes that do not compress, numbered from `from` to before `to`, some in a folder each. */
export function writeFiles(top: string, from: number, to: number, size: number): void {
  for (let number = from; number < to; number++) {
    const folder = join(top, `folder-${number % 7}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${number}`), noise(`file ${number}`, size));
  }
}

/** Every n-th number of 1..total, with an offset that changes by the day so that all are met in time; with --full every one. */
export function chosen(total: number, every: number): number[] {
  const step = full ? 1 : every;
  const offset = full ? 0 : Math.floor(Date.now() / 86_400_000) % every;
  return Array.from({ length: total }, (_, i) => i + 1).filter((n) => n % step === offset % step);
}

/** Two at a time: each waits for processes most of the time. The first failure is told with what it was about. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      try {
        await work(item);
      } catch (error) {
        left.length = 0;
        throw new Error(`at ${JSON.stringify(item)}: ${(error as Error).message}`, { cause: error });
      }
    }
  };
  const ends = await Promise.allSettled([worker(), worker()]);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
