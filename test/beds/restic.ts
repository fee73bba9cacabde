// A restic program on one repository.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

export interface ResticRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What `restic snapshots --json` tells of one record. */
export interface ResticSnapshot {
  readonly id: string;
  readonly time: string;
  readonly tree: string;
  readonly parent?: string;
  readonly original?: string;
  readonly paths: readonly string[];
  readonly hostname: string;
  readonly username: string;
  readonly tags?: readonly string[];
  readonly program_version?: string;
  readonly summary?: Readonly<Record<string, number | string>>;
}

/** One line of `restic ls --json`. */
export interface ResticNode {
  readonly struct_type: string;
  readonly path: string;
  readonly name: string;
  readonly type: string;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number;
  readonly mode?: number;
  readonly mtime: string;
}

/** The last line of `restic backup --json`. */
export interface ResticBackup {
  readonly snapshot_id: string;
  readonly files_new: number;
  readonly files_changed: number;
  readonly files_unmodified: number;
  readonly dirs_unmodified: number;
  readonly data_added: number;
  readonly total_files_processed: number;
}

export type Restic = ReturnType<typeof restic>;

/** `home`: where its cache goes. A run that does not end within two minutes is killed and fails. */
export function restic(program: string, repository: string, password: string, home: string) {
  const env = {
    ...process.env,
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: password,
    RESTIC_CACHE_DIR: join(home, 'restic-cache'),
    TZ: 'UTC',
  };
  const start = (args: readonly string[], more: Readonly<Record<string, string>> = {}, cwd = home): ChildProcess =>
    spawn(program, args, { cwd, env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000, killSignal: 'SIGKILL' });

  /** Its end, whatever the exit code. */
  const outcome = (child: ChildProcess): Promise<ResticRun & { readonly bytes: Buffer }> =>
    new Promise((resolve, reject) => {
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      child.stdout!.on('data', (piece: Buffer) => out.push(piece));
      child.stderr!.on('data', (piece: Buffer) => err.push(piece));
      child.on('error', reject);
      child.on('close', (code, signal) => {
        const bytes = Buffer.concat(out);
        resolve({ code: code ?? -1, bytes, out: bytes.toString(), err: signal ? `killed by ${signal}` : Buffer.concat(err).toString() });
      });
    });
  const attempt = (...args: readonly string[]): Promise<ResticRun> => outcome(start(args));
  const succeed = async (child: ChildProcess, what: string) => {
    const result = await outcome(child);
    if (result.code !== 0) throw new Error(`restic ${what} ended with ${result.code}: ${result.err.trim()}\n${result.out.slice(-2000)}`);
    return result;
  };
  const run = async (...args: readonly string[]): Promise<string> => (await succeed(start(args), args[0]!)).out;
  const lines = async <T>(...args: readonly string[]): Promise<T[]> =>
    (await run(...args, '--json'))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T);

  return {
    program,
    start,
    outcome,
    attempt,
    run,
    lines,
    /** Standard output as it is. */
    bytes: async (...args: readonly string[]): Promise<Buffer> => (await succeed(start(args), args[0]!)).bytes,
    with: (more: Readonly<Record<string, string>>, ...args: readonly string[]) =>
      succeed(start(args, more), args[0]!).then(({ out }) => out),
    json: async <T>(...args: readonly string[]): Promise<T> => JSON.parse(await run(...args, '--json')) as T,
    snapshots: async (): Promise<ResticSnapshot[]> => JSON.parse(await run('snapshots', '--json')) as ResticSnapshot[],
    ls: async (...args: readonly string[]): Promise<ResticNode[]> =>
      (await lines<ResticNode>('ls', ...args)).filter(({ struct_type }) => struct_type === 'node'),
    /** Backs up paths, relative to `cwd` where they are not absolute. */
    backup: async (cwd: string, ...args: readonly string[]): Promise<ResticBackup> => {
      const { out } = await succeed(start(['backup', '--json', ...args], {}, cwd), 'backup');
      return JSON.parse(out.trim().split('\n').at(-1)!) as ResticBackup;
    },
    /** `check --read-data`: throws unless it ends with 0 and says that no errors were found. */
    check: async (): Promise<string> => {
      const said = await run('check', '--read-data');
      if (!said.includes('no errors were found')) throw new Error(`restic check said: ${said}`);
      return said;
    },
  };
}
