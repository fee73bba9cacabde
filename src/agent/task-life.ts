// Which tasks live: each says so in AGENT_RUN/tasks/<task id> before it makes its first image, by what the kernel knows of its process. So
// whoever clears up needs no list, and neither a SIGKILL nor a restart of the host leaves a task alive.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import { bootId, startOf } from '../base/process-id.ts';

/** Ends it again; also the end of the process does. Idempotent. Throws system errors. */
export function beginLife(folder: string, task: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, task);
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, lifeOf(process.pid), { mode: 0o600 });
  renameSync(temporary, path);
  return () => rmSync(path, { force: true });
}

/** Throws system errors: a task of which nothing can be known is not a dead one. */
export function isAlive(folder: string, task: string): boolean {
  try {
    const life = readFileSync(join(folder, task), 'latin1');
    return life === lifeOf(Number.parseInt(life, 10));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** What dead tasks said of themselves is removed. */
export function forgetDead(folder: string): void {
  for (const task of tasksIn(folder)) if (!isAlive(folder, task)) rmSync(join(folder, task), { force: true });
}

function tasksIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.endsWith('.tmp'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** With its start and the boot's id a pid is unique. */
const lifeOf = (pid: number): string => `${pid} ${startOf(pid) || 'dead'} ${bootId()}\n`;

/** Tells the images of this installation from those of others on the same volumes: 8 hexadecimal digits. */
export function installationMark(home: string): string {
  const hash = createHash('sha256');
  hash.update(canonical(home)).update('\0').update(machineId());
  return hash.digest('hex').slice(0, 8);
}

function canonical(home: string): string {
  try {
    return realpathSync(home);
  } catch {
    return home; // `agentcli recover` has no installation
  }
}

function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'latin1').trim();
  } catch {
    return '';
  }
}
