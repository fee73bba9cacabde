// Processes that run on this host, as /proc has them.
import { readdirSync, readFileSync } from 'node:fs';

export interface Running {
  readonly pid: number;
  readonly parent: number;
  /** Its command line. */
  readonly words: readonly string[];
  /** Its environment, `NAME=value`. */
  readonly variables: readonly string[];
}

/** Without those that end while they are looked at. */
export function processes(): readonly Running[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        return [{ pid: Number(pid), parent, words: listIn(pid, 'cmdline'), variables: listIn(pid, 'environ') }];
      } catch {
        return [];
      }
    });
}

const listIn = (pid: string, file: string): string[] => readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0').slice(0, -1);
