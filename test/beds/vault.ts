// Our side of a test: the very tasks that an agent runs, in this process, on a vault in a local directory.
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { runTask, type TaskContext } from '../../src/agent/run-task.ts';
import { taskHost } from '../../src/agent/task-host.ts';
import { bandwidthLimit } from '../../src/base/limit.ts';
import { layoutOf } from '../../src/config/layout.ts';
import type { BackupTags } from '../../src/model/backup.ts';
import { type ConsistencyChoice, defaultConsistency } from '../../src/model/consistency.ts';
import type { FilesSource, SourceSettings } from '../../src/model/plan.ts';
import type { Overwrite } from '../../src/model/restore.ts';
import type { CheckReport, RecordInfo, RestoreTarget, TaskResult, TaskSpec, VaultAccess } from '../../src/model/task.ts';
import type { Warning } from '../../src/model/warning.ts';

export const filesOf = (...paths: readonly string[]): FilesSource => ({
  kind: 'files',
  paths,
  excludes: [],
  excludeFiles: [],
  oneFileSystem: false,
  excludeCaches: false,
});

export const intoFolder = (
  path: string,
  more: { readonly include?: readonly string[]; readonly overwrite?: Overwrite; readonly delete?: boolean } = {},
): RestoreTarget => ({
  kind: 'files',
  path,
  include: [],
  overwrite: 'always',
  delete: false,
  verify: true,
  ...more,
});

/** A line of `backup ls --json`. */
export interface Listed {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: string;
}

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

export type Vault = ReturnType<typeof testVault>;

export const testHost = 'stillpoint-host';

/** The repository `pool`/`path`, opened with `password`. Warnings gather in `warnings`. */
/** A backup as the agent asks for it, all but where to. */
export const backupTask = (source: SourceSettings) =>
  ({
    type: 'backup',
    source,
    consistency: defaultConsistency,
    task: 'task-of-a-test',
    freezesPerHour: 1000,
    tags: {},
    hostname: testHost,
    full: false,
    agentConfig: '{"agent":"test"}',
  }) as const;

export function testVault(pool: string, path: string, password: string) {
  const access: VaultAccess = { pool: { id: 'pool-of-the-test', place: { type: 'local', path: pool }, bandwidth: 0 }, path, password };
  const warnings: Warning[] = [];

  const perform = async (spec: TaskSpec, more: Partial<TaskContext> = {}): Promise<TaskResult & { readonly output: Buffer }> => {
    const pieces: Buffer[] = [];
    const out = new Writable({
      write: (piece: Buffer, _encoding, done) => {
        pieces.push(Buffer.from(piece));
        done();
      },
    });
    const result = await runTask(spec, {
      signal: new AbortController().signal,
      warn: (warning) => warnings.push(warning),
      progress: () => undefined,
      out,
      keeper: { willWrite: async () => undefined, removed: async () => undefined },
      limit: bandwidthLimit(0),
      host: { ...taskHost(layoutOf()), own: [] },
      ...more,
    });
    return { ...result, output: Buffer.concat(pieces) };
  };
  const run = (spec: Without<TaskSpec, 'vault'>, more: Partial<TaskContext> = {}) => perform({ ...spec, vault: access } as TaskSpec, more);
  const lines = async <T>(spec: Without<TaskSpec, 'vault'>): Promise<T[]> =>
    (await run(spec)).output
      .toString()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T);

  /** Makes the pool's directory where there is none, and marks it. */
  const bind = () => perform({ type: 'probe', pool: access.pool, create: true, bind: true });

  return {
    access,
    /** What `restic -r` takes. */
    location: join(pool, path),
    warnings,
    run,
    create: async (recoveryKey: string) => {
      await bind();
      return run({ type: 'vault-create', recoveryKey });
    },
    /** Opens with `recoveryKey`; from now on this agent's own password opens it. */
    attach: async (recoveryKey: string) => {
      await bind();
      return perform({ type: 'vault-attach', vault: { ...access, password: recoveryKey }, newPassword: password });
    },
    backup: async (
      source: SourceSettings,
      more: {
        readonly tags?: BackupTags;
        readonly hostname?: string;
        readonly full?: boolean;
        readonly consistency?: ConsistencyChoice;
      } = {},
    ): Promise<RecordInfo> => {
      return (await run({ ...backupTask(source), ...more })).record!;
    },
    restore: async (record: string, target: RestoreTarget) => (await run({ type: 'restore', record, target, dryRun: false })).restore!,
    records: async (): Promise<readonly RecordInfo[]> => (await run({ type: 'vault-scan' })).records!,
    forget: (...records: readonly string[]) => run({ type: 'forget', records }),
    check: async (readData: boolean | string = true): Promise<CheckReport> => (await run({ type: 'check', readData })).check!,
    prune: async (maxUnusedPercent = 0) => (await run({ type: 'prune', dryRun: false, maxUnusedPercent })).prune!,
    ls: (record: string, path = '/', recursive = true) => lines<Listed>({ type: 'ls', record, path, recursive }),
    find: (records: readonly string[], ...patterns: readonly string[]) =>
      lines<{ backup: string; path: string; size: number }>({ type: 'find', records, patterns }),
    diff: (from: string, to: string) =>
      lines<{ path?: string; change?: string; summary?: Record<string, number> }>({ type: 'diff', from, to }),
    cat: async (record: string, path: string): Promise<Buffer> => (await run({ type: 'cat', record, path })).output,
  };
}
