// Stillpoint, driven as an operator drives it, and stock restic beside it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Radosgw } from '../beds/radosgw.ts';

const repoRoot = new URL('../../', import.meta.url).pathname;

export interface Measured {
  /** Seconds from start to exit of the command that a person types. */
  readonly seconds: number;
  /** Peak resident memory of the process that does the work (bytes), as far as it could be watched. */
  readonly peak: number;
}

export interface Contender {
  readonly name: string;
  /** A fresh, empty vault; not measured. */
  fresh(): void;
  backup(path: string, kind: 'disk' | 'files'): Promise<Measured>;
  restore(path: string, kind: 'disk' | 'files', target: string): Promise<Measured>;
  /** Bytes that the vault takes, where it is a directory. */
  stored(): number;
  stop(): Promise<void>;
}

export type Place =
  | { readonly type: 'local'; readonly root: string }
  | { readonly type: 's3'; readonly server: Radosgw; readonly root: string };

function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024;
  } catch {
    return 0; // it ended meanwhile
  }
}

const childrenOf = (pid: number): number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
};

export async function timed(
  argv: readonly string[],
  env: Record<string, string | undefined>,
  watched: (pid: number) => readonly number[],
): Promise<Measured> {
  const started = performance.now();
  const child = spawn(argv[0]!, argv.slice(1), { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (piece) => (errors += piece));
  let peak = 0;
  const watch = setInterval(() => {
    for (const pid of watched(child.pid!)) peak = Math.max(peak, peakOf(pid));
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(watch);
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${errors}`);
  return { seconds: (performance.now() - started) / 1000, peak };
}

function must(argv: readonly string[], env: Record<string, string | undefined>): string {
  const done = spawnSync(argv[0]!, argv.slice(1), { env: { ...process.env, ...env }, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${argv.join(' ')} ended with ${done.status}: ${done.stderr}`);
  return done.stdout;
}

const folderBytes = (folder: string): number => Number(must(['du', '-sb', folder], {}).split('\t')[0]);

export function restic(place: Place): Contender {
  let round = 0;
  const repository = () => (place.type === 'local' ? join(place.root, `restic-${round}`) : `s3:${place.server.endpoint}/restic-${round}`);
  const env = () => ({
    RESTIC_PASSWORD: 'bench',
    RESTIC_REPOSITORY: repository(),
    XDG_CACHE_HOME: join(place.root, 'restic-cache'),
    ...(place.type === 's3' ? { AWS_ACCESS_KEY_ID: place.server.accessKey, AWS_SECRET_ACCESS_KEY: place.server.secretKey } : {}),
  });
  const self = (pid: number) => [pid];
  return {
    name: 'restic',
    fresh: () => {
      if (place.type === 'local') rmSync(repository(), { recursive: true, force: true });
      rmSync(join(place.root, 'restic-cache'), { recursive: true, force: true });
      round++;
      must(['restic', 'init'], env());
    },
    backup: (path) => timed(['restic', 'backup', '--quiet', path], env(), self),
    restore: (path, _, target) => timed(['restic', 'restore', '--quiet', 'latest', '--include', path, '--target', target], env(), self),
    stored: () => (place.type === 'local' ? folderBytes(repository()) : 0),
    stop: async () => undefined,
  };
}

export interface Ours extends Contender {
  readonly pid: number;
  /** Backs up what the options of `plan create` name. */
  backupOf(name: string, options: readonly string[]): Promise<Measured>;
}

export async function stillpoint(place: Place): Promise<Ours> {
  const home = join(place.root, 'agent');
  mkdirSync(home, { recursive: true });
  const env = { AGENT_HOME: home, AGENT_RUN: join(home, 'run'), AGENT_PORT: '0' };
  const agent: ChildProcess = spawn(join(repoRoot, 'scripts/rdagent'), [], { env: { ...process.env, ...env }, stdio: 'ignore' });
  const agentcli = (...args: string[]) => [join(repoRoot, 'scripts/agentcli'), ...args];
  for (let tries = 0; ; tries++) {
    if (spawnSync(agentcli('status')[0]!, ['status'], { env: { ...process.env, ...env } }).status === 0) break;
    if (tries > 100) throw new Error('the agent did not start');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  if (place.type === 'local')
    must(agentcli('pool', 'bind', 'bench', '--type', 'local', '--path', join(place.root, 'pool'), '--create'), env);
  else {
    const credentials = join(place.root, 'credentials');
    writeFileSync(credentials, `STILLPOINT_ACCESS_KEY=${place.server.accessKey}\nSTILLPOINT_SECRET_KEY=${place.server.secretKey}\n`, {
      mode: 0o600,
    });
    must(
      agentcli(
        'pool',
        'bind',
        'bench',
        '--type',
        's3',
        '--endpoint',
        place.server.endpoint,
        '--bucket',
        'bench',
        '--create',
        '--credentials-file',
        credentials,
      ),
      env,
    );
  }
  let round = 0;
  const vault = () => `bench-${round}`;
  const plan = (kind: string) => `${kind}-${round}`;
  const planned = new Set<string>();
  const tasks = () => childrenOf(agent.pid!);
  const backupOf = async (name: string, options: readonly string[]): Promise<Measured> => {
    if (!planned.has(plan(name))) must(agentcli('plan', 'create', plan(name), '--vault', vault(), ...options), env);
    planned.add(plan(name));
    return timed(agentcli('backup', 'run', plan(name), '--wait'), env, tasks);
  };
  return {
    name: 'stillpoint',
    pid: agent.pid!,
    fresh: () => {
      if (round > 0 && place.type === 'local')
        for (const id of readdirSync(join(place.root, 'pool', vault()))) rmSync(join(place.root, 'pool', vault(), id), { recursive: true });
      round++;
      must(agentcli('vault', 'create', vault(), '--pool', 'bench', '--recovery-key-file', join(place.root, `key-${round}`)), env);
    },
    backup: (path, kind) => backupOf(kind, ['--source', kind, '--path', path]),
    backupOf,
    restore: async (path, kind, target) => {
      const [newest] = (
        JSON.parse(must(agentcli('backup', 'list', '--plan', plan(kind), '--limit', '1', '--json'), env)) as { items: { id: string }[] }
      ).items;
      const where = kind === 'disk' ? ['--map', `${path}=${join(target, 'disk.img')}`] : ['--target', target];
      return timed(agentcli('backup', 'restore', newest!.id, ...where, '--wait', '--yes'), env, tasks);
    },
    stored: () => (place.type === 'local' ? folderBytes(join(place.root, 'pool', vault())) : 0),
    stop: () =>
      new Promise((resolve) => {
        agent.once('exit', () => resolve());
        agent.kill('SIGTERM');
      }),
  };
}
