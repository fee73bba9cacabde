// Programs of the distribution that tests start: found or named with their package, run, and ended with the test process.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';

/** Throws an error that names the apt packages if one of the programs is not installed; tests never skip for it. */
export function needPrograms(programs: readonly string[], packages: string): void {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length > 0) throw new Error(`missing ${missing.join(', ')}: apt-get install -y --no-install-recommends ${packages}`);
}

function isInstalled(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until the program is killed and the run fails. */
  readonly timeout?: number;
}

/** Runs a program to its end and gives what it printed; a non-zero exit code rejects with its standard error. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeout ?? 30_000,
      killSignal: 'SIGKILL',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
    });
    let out = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${program} ${args[0] ?? ''} ended with ${signal ?? code}: ${errors.trim() || out.trim()}`));
    });
  });
}

/** Starts a server that the kernel kills when this process dies (util-linux setpriv); what it prints goes to `log`. */
export function startServer(program: string, args: readonly string[], log: string): ChildProcess {
  const output = openSync(log, 'a');
  const server = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: ['ignore', output, output], detached: false });
  closeSync(output);
  return server;
}

/** Kills a server by its pid and waits until it is gone. */
export async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await gone;
}

/** A TCP port of 127.0.0.1 that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
