// What processes of this host use: each with all that it started, its children's children too.
import { cpus } from 'node:os';
import { openProcessList, type ProcessList, type ProcessRow } from './process-list.ts';

export interface ProcessUsage {
  /** Of one processor, since the last look; undefined at the first, and where the host tells nothing. */
  readonly cpuPercent: number | undefined;
  readonly memoryBytes: number;
}

export interface ProcessLook {
  /** Processes that are gone, or that this user may not see, are not in the answer. Rejects where the host tells nothing at all. */
  look(roots: readonly number[]): Promise<ReadonlyMap<number, ProcessUsage>>;
  /** Nothing is to be seen for a while. */
  rest(): void;
}

/**
 * One look starts `ps` and reads the figures of every process of the host: about 0.2 s of a processor where there are a hundred. So look
 * seldom, and only while there is something to see.
 */
export function createProcessLook(list: ProcessList = openProcessList()): ProcessLook {
  let seen: readonly number[] = [];
  return {
    async look(roots) {
      const rows = await list.ask();
      const children = Map.groupBy(rows, (row) => row.parentPid);
      const found = new Map<number, ProcessUsage>();
      for (const root of rows.filter(({ pid }) => roots.includes(pid))) {
        const family = familyOf(root, children);
        const percent = sum(family, (row) => row.cpuu + row.cpus) * cpus().length;
        const memoryBytes = sum(family, (row) => row.memRss) * 1024;
        found.set(root.pid, { cpuPercent: seen.includes(root.pid) ? percent : undefined, memoryBytes });
      }
      seen = [...found.keys()];
      return found;
    },
    rest() {
      seen = [];
      list.rest();
    },
  };
}

function familyOf(root: ProcessRow, children: ReadonlyMap<number, readonly ProcessRow[]>): readonly ProcessRow[] {
  const family = new Set([root]);
  for (const member of family) for (const child of children.get(member.pid) ?? []) family.add(child);
  return [...family];
}

const sum = (rows: readonly ProcessRow[], value: (row: ProcessRow) => number): number =>
  rows.reduce((total, row) => total + (value(row) || 0), 0);
