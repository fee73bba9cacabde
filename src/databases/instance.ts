// Servers that were started from a backup and live on: what is kept of them, and their end.
import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fail } from '../base/errors.ts';
import { startOf } from '../base/process-id.ts';
import type { Instance } from '../model/service.ts';

/** Lies in the directory of each; whatever holds it was made by us. */
export const instanceFile = 'stillpoint-instance.json';

/** What the file holds. */
export interface KeptInstance extends Instance {
  readonly format: 1;
  /** In the kernel's ticks since it started, as proc(5) has it: with the pid it names a process for good. */
  readonly startedAt: number;
  /** Where its program lies, without links. */
  readonly program: string;
}

/** A server gets so long (ms) to end in order before it is killed. */
const patience = 60_000;

/** To be called when it answers. Throws INSTANCE_FAILED where it has ended meanwhile. */
export function keepInstance(instance: Instance): void {
  const { directory, pid } = instance;
  const startedAt = startOf(pid);
  const program = programOf(pid);
  if (startedAt === '' || program === undefined) fail('INSTANCE_FAILED', { directory, detail: 'it ended', log: 'its log' });
  const kept: KeptInstance = { format: 1, ...instance, startedAt: Number(startedAt), program: program! };
  writeFileSync(join(directory, instanceFile), `${JSON.stringify(kept, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
}

/** Does nothing where it has ended already. Throws NOT_FOUND where no server of ours lies. */
export async function stopInstance(directory: string): Promise<void> {
  const kept = keptIn(resolve(directory));
  signalTo(kept, 'SIGTERM');
  for (const end = performance.now() + patience; isRunning(kept); await pause(100)) if (performance.now() > end) break;
  signalTo(kept, 'SIGKILL');
  while (isRunning(kept)) await pause(50);
}

/** Ends the server and deletes all that is in its directory. Throws as stopInstance does, before anything is deleted. */
export async function removeInstance(directory: string): Promise<void> {
  const { socket } = keptIn(resolve(directory));
  await stopInstance(directory);
  rmSync(resolve(directory), { recursive: true, force: true });
  removeSocketFolder(socket);
}

/** Where a directory's path is too long for a socket, it lies in a folder made for it alone, called `stillpoint-…`. */
export function removeSocketFolder(socket: string | undefined): void {
  const folder = dirname(socket ?? '');
  if (basename(folder).startsWith('stillpoint-')) rmSync(folder, { recursive: true, force: true });
}

/** What is known of the server in `directory`. Throws NOT_FOUND. */
export function keptIn(directory: string): KeptInstance {
  const none = (detail: string): never => fail('NOT_FOUND', { what: 'instance', id: `${directory} (${detail})` });
  const text = ownText(join(directory, instanceFile), none);
  try {
    const kept = JSON.parse(text) as KeptInstance;
    const { format, pid, startedAt, program } = kept;
    const sound = format === 1 && Number.isSafeInteger(pid) && pid > 1 && Number.isSafeInteger(startedAt) && typeof program === 'string';
    if (sound) return kept;
  } catch {
    // told below
  }
  return none(`${instanceFile} is damaged`);
}

/** The server's own user may write beside it: what names a process to be killed, and a directory to be deleted, must be ours. */
function ownText(path: string, none: (detail: string) => never): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return none((error as Error).message);
  }
  try {
    if (fstatSync(fd).uid !== process.geteuid!()) none(`${instanceFile} belongs to somebody else`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** Whether it is that very process, not one that got its number later. */
export const isRunning = ({ pid, startedAt, program }: KeptInstance): boolean =>
  startOf(pid) === String(startedAt) && [program, `${program} (deleted)`].includes(programOf(pid) ?? '');

function signalTo(kept: KeptInstance, signal: NodeJS.Signals): void {
  if (!isRunning(kept)) return;
  try {
    process.kill(kept.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function programOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}
