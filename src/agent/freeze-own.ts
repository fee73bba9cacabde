// Which processes are the agent's own, and are not stopped with the others that write to a volume: they take the image, and they thaw.
import { readFileSync, readlinkSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parentOf } from '../quiescers/writers/process.ts';
import type { WritersContext } from '../quiescers/writers/quiescer.ts';

const program = dirname(dirname(fileURLToPath(import.meta.url))) + sep;

/** `folder`: AGENT_RUN/freeze/<id>, which what the freeze scripts left behind knows by its environment. */
export function ownProcesses(folder: string): Pick<WritersContext, 'isOwn' | 'whyNot'> {
  const starters = new Set(ancestorsOf(process.pid));
  const ownStarters = new Set([...starters].filter(hasOurRuntime));
  const isOwn = (pid: number) =>
    pid === process.pid || ownStarters.has(pid) || isOurProgram(pid) || ancestorsOf(pid).includes(process.pid) || isOfFreeze(pid, folder);
  return { isOwn, whyNot: (pid) => (starters.has(pid) ? 'the agent was started by it' : undefined) };
}

/** Without the first process of the host, whose child everybody is. */
function ancestorsOf(pid: number): readonly number[] {
  const found: number[] = [];
  for (let at = parentOf(pid); at > 1 && !found.includes(at); at = parentOf(at)) found.push(at);
  return found;
}

const hasOurRuntime = (pid: number): boolean => linkOf(pid) === linkOf(process.pid);

/** rdagent, rdtask, agentcli of this installation, whoever started them. */
const isOurProgram = (pid: number): boolean =>
  hasOurRuntime(pid) && wordsIn(pid, 'cmdline').some((word) => /\.[jt]s$/.test(word) && resolve('/', word).startsWith(program));

/** A holder of a database's session, detached from the script that left it behind. */
const isOfFreeze = (pid: number, folder: string): boolean => wordsIn(pid, 'environ').includes(`STILLPOINT_FREEZE_FOLDER=${folder}`);

function linkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}

/** Nothing where the process has ended. */
function wordsIn(pid: number, file: 'cmdline' | 'environ'): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
