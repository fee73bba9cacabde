// The real rdtask with a backend that counts: it kills this process, the agent that started it, or both at the chosen operation. What to do
// is in $AGENT_HOME/fault.json, what was done goes to $AGENT_HOME/operations, a line each.
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { taskHost } from '../../src/agent/task-host.ts';
import { serveTask } from '../../src/agent/task-side.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { layoutOf } from '../../src/config/layout.ts';
import type { Backend } from '../../src/ports/backend.ts';

export interface FaultSettings {
  /** 1 for the first operation of the task; 0 for never. */
  readonly dieAt: number;
  /** Against the operation: it has not begun, it has just begun, it is done but nobody knows yet. */
  readonly moment: 'before' | 'during' | 'after';
  readonly victims: readonly ('task' | 'agent')[];
  /** So many milliseconds pass with each operation, so that a short run sees its lock refreshed. */
  readonly millisecondsEach: number;
  /** Milliseconds that the clocks of this task are ahead of the host's. */
  readonly ahead: number;
  readonly packSize: number;
  readonly flushBlobs: number;
}

const home = process.env['AGENT_HOME']!;
const settingsFile = join(home, 'fault.json');
const settings = existsSync(settingsFile) ? (JSON.parse(readFileSync(settingsFile, 'utf8')) as FaultSettings) : undefined;
let operations = 0;

function die(): void {
  // Whatever task comes next is a plain one.
  rmSync(settingsFile, { force: true });
  if (settings?.victims.includes('agent')) process.kill(process.ppid, 'SIGKILL');
  if (settings?.victims.includes('task')) process.kill(process.pid, 'SIGKILL');
}

function counted(backend: Backend): Backend {
  const meet = async <T>(name: string, pass: () => Promise<T>): Promise<T> => {
    const chosen = ++operations === settings?.dieAt;
    appendFileSync(join(home, 'operations'), `${name}\n`);
    if (chosen && settings.moment === 'before') die();
    const passing = pass();
    if (chosen && settings.moment === 'during') setImmediate(die);
    const result = await passing;
    if (chosen && settings.moment === 'after') die();
    return result;
  };
  return {
    ...backend,
    save: (kind, name, bytes) => meet(`save ${kind}`, () => backend.save(kind, name, bytes)),
    load: (kind, name, range) => meet(`load ${kind}`, () => backend.load(kind, name, range)),
    stat: (kind, name) => meet(`stat ${kind}`, () => backend.stat(kind, name)),
    remove: (kind, name) => meet(`remove ${kind}`, () => backend.remove(kind, name)),
    async *list(kind) {
      yield* await meet(`list ${kind}`, async () => await Array.fromAsync(backend.list(kind)));
    },
  };
}

function repositoryOptions({ packSize, flushBlobs, millisecondsEach, ahead }: FaultSettings) {
  const clock = {
    now: () => systemClock.now() + ahead + operations * millisecondsEach,
    boottime: () => systemClock.boottime() + operations * millisecondsEach,
  };
  return { clock, packSize, flushBlobs, workers: 2 };
}

process.exitCode = await serveTask(taskHost(layoutOf()), settings ? { wrapBackend: counted, repository: repositoryOptions(settings) } : {});
process.exit();
