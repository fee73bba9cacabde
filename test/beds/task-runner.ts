// One task in a process of its own, as the agent runs it, with its peak memory; and what such runs write into the report of `test.sh --full`.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTaskProcess } from '../../src/agent/task-process.ts';
import { localBackend } from '../../src/backends/local.ts';
import { runtimeFlags, runtimeVariables } from '../../src/host/programs.ts';
import { startHere } from '../../src/host/start.ts';
import type { SourceSettings } from '../../src/model/plan.ts';
import type { RecordInfo, TaskResult, TaskSpec, VaultAccess } from '../../src/model/task.ts';
import type { Warning } from '../../src/model/warning.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { backupTask } from './vault.ts';

/** Whether the large sizes are wanted: test.sh --full. */
export const full = Boolean(process.env['STILLPOINT_FULL']);

/** Appended to the name of a test that is skipped otherwise, so that the report says why. */
export const onlyFull = full ? '' : ' (skipped: a large size, run by scripts/dev/test.sh --full)';

export interface TaskRun {
  readonly result: TaskResult;
  /** The first thousand. */
  readonly warnings: readonly Warning[];
  /** The most memory that the process had resident, in bytes (VmHWM of proc(5)). */
  readonly peak: number;
  readonly seconds: number;
}

const script = fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url));

function residentPeak(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it has ended
  }
}

export const backupOf = (vault: VaultAccess, source: SourceSettings): TaskSpec => ({ ...backupTask(source), vault });

/** Runs rdtask with `home` as its directory. Throws when the task fails. */
export async function runTaskProcess(spec: TaskSpec, home: string): Promise<TaskRun> {
  const warnings: Warning[] = [];
  let text = '';
  let peak = 0;
  const started = performance.now();
  const environment = { PATH: process.env['PATH'] ?? '', AGENT_HOME: home, TMPDIR: home, ...runtimeVariables };
  const task = startTaskProcess(
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
        if (event.type === 'warning' && warnings.length < 1000) warnings.push(event.warning);
      },
    },
  );
  // It only ever rises, so what is missed is what came in the last moment before the end.
  const watch = setInterval(() => {
    peak = Math.max(peak, residentPeak(task.pid));
  }, 20);
  const end = await task.ended;
  clearInterval(watch);
  if (end.kind !== 'done') throw new Error(`${spec.type}: ${JSON.stringify(end.problem)}\n${text}`);
  return { result: end.result, warnings, peak, seconds: (performance.now() - started) / 1000 };
}

/** The bound of every task, in bytes: 300 MB and 64 bytes a blob of the repository. */
export const memoryBound = (blobs: number): number => 300e6 + 64 * blobs;

/** Blobs that the repository's index lists, duplicates included. */
export async function blobCount(access: VaultAccess): Promise<number> {
  const { place } = access.pool;
  if (place.type !== 'local') throw new Error('a local pool is expected');
  const repository = await openRepository(localBackend({ root: place.path, path: access.path }), access.password);
  await repository.loadIndex();
  const count = repository.state.index.count();
  await repository.close();
  return count;
}

export const recordOf = ({ result }: TaskRun): RecordInfo => {
  if (!result.record) throw new Error('the task made no record');
  return result.record;
};

const reports = fileURLToPath(new URL('../full-results.d/', import.meta.url));

/** A chapter of test/full-results.md: what was done, in the order it is to be read, and a table of the runs. */
export function reporter(file: string, title: string) {
  const lines: string[] = [];
  const rows: string[] = [];
  return {
    say: (line: string) => {
      lines.push(`- ${line}`);
    },
    row: (what: string, seconds: number, more: { readonly peak?: number; readonly bound?: number; readonly note?: string } = {}) => {
      const memory = more.peak === undefined ? '' : megabytes(more.peak);
      rows.push(
        `| ${what} | ${seconds.toFixed(1)} s | ${memory} | ${more.bound === undefined ? '' : megabytes(more.bound)} | ${more.note ?? ''} |`,
      );
    },
    write: () => {
      const table = ['| work | time | peak memory | bound | |', '|---|---|---|---|---|', ...rows];
      mkdirSync(reports, { recursive: true });
      writeFileSync(join(reports, `${file}.md`), `${[`## ${title}`, '', ...lines, '', ...table].join('\n')}\n\n`);
    },
  };
}

export type Reporter = ReturnType<typeof reporter>;

export const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
