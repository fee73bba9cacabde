// The processes of this host, asked in a thread of its own, which is there only while somebody asks.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** One process, as systeminformation has it. */
export interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  /** Percent of all processors together since the list was asked for the last time: as user, and in the kernel. */
  readonly cpuu: number;
  readonly cpus: number;
  /** Resident, KiB. */
  readonly memRss: number;
}

export interface ProcessList {
  /** One at a time. Rejects where the host has too many processes (about 5000). */
  ask(): Promise<readonly ProcessRow[]>;
  /** Gives back what asking took; it may be asked again. */
  rest(): void;
}

const resourceLimits = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 };
/** ms after which a thread that does not answer is given up. */
const patience = 60_000;

export function openProcessList(): ProcessList {
  let thread: Worker | undefined;
  const rest = () => {
    void thread?.terminate();
    thread = undefined;
  };
  return {
    rest,
    async ask() {
      thread ??= startThread();
      try {
        const answer = once(thread, 'message', { signal: AbortSignal.timeout(patience) });
        thread.postMessage('look');
        const [rows] = await answer;
        return rows as readonly ProcessRow[];
      } catch (error) {
        rest();
        throw error;
      }
    },
  };
}

function startThread(): Worker {
  const thread = new Worker(new URL('./process-worker.ts', import.meta.url), { name: 'stillpoint-usage', resourceLimits, execArgv: [] });
  // Whoever waits for its answer is told; later nobody minds.
  thread.on('error', () => undefined);
  thread.unref();
  return thread;
}
