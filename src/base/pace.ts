// How fast a backup may read and compute: bytes a second, and a share of a processor for all threads of the process. Readers ask before they
// read; where nothing is limited there is nobody to ask. The threads share one place in time from which on the next bytes may be read.
import { setTimeout as pause } from 'node:timers/promises';

export interface PaceSettings {
  /** 0 for no limit. */
  readonly bytesPerSecond: number;
  /** Of one processor: 200 is two of them; 0 for no limit. */
  readonly cpuPercent: number;
  /** One number, shared by all threads. */
  readonly shared: SharedArrayBuffer;
}

/** Both throw what `check` throws, which is asked whenever time passes. */
export interface Pace {
  /** Resolves when so many bytes may be read. */
  before(bytes: number, check: () => void): Promise<void>;
  /** The same for a thread that has nothing else to do. */
  beforeSync(bytes: number, check: () => void): void;
  /** Bytes to ask for at a time, so that the flow is even. */
  readonly grain: number;
}

export interface PaceClock {
  /** Milliseconds of a clock that only goes forward, the same for all threads. */
  now(): number;
  /** Milliseconds of processor time that all threads of this process have had. */
  cpu(): number;
  sleep(ms: number): Promise<void>;
  sleepSync(ms: number): void;
}

const still = new Int32Array(new SharedArrayBuffer(4));

export const systemPaceClock: PaceClock = {
  now: () => Number(process.hrtime.bigint()) / 1e6,
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  sleep: (ms) => pause(ms),
  sleepSync: (ms) => void Atomics.wait(still, 0, 0, ms),
};

/** Undefined where nothing is limited. */
export function paceSettings(limits: Omit<PaceSettings, 'shared'> | undefined): PaceSettings | undefined {
  if (!limits || (limits.bytesPerSecond === 0 && limits.cpuPercent === 0)) return undefined;
  return { ...limits, shared: new SharedArrayBuffer(8) };
}

/** What a rest earns, in milliseconds of the rate. */
const burst = 250;
/** The longest wait without a look around. */
const nap = 100;
const largestGrain = 1 << 20;
const smallestGrain = 4096;

export function createPace({ bytesPerSecond, cpuPercent, shared }: PaceSettings, clock: PaceClock = systemPaceClock): Pace {
  const next = new BigInt64Array(shared);
  const share = cpuPercent / 100;
  let since = clock.now();
  const usedBefore = clock.cpu();

  /** When (µs) these bytes may be read: once they are paid for. */
  const turnOf = (bytes: number): bigint => {
    const cost = BigInt(Math.ceil((bytes / bytesPerSecond) * 1e6));
    for (;;) {
      const before = Atomics.load(next, 0);
      const earliest = BigInt(Math.round((clock.now() - burst) * 1000));
      const turn = (before > earliest ? before : earliest) + cost;
      if (Atomics.compareExchange(next, 0, before, turn) === before) return turn;
    }
  };

  /** ms that the process is ahead of its share. What it did not use for a while is not saved up. */
  const ahead = (): number => {
    if (share === 0) return 0;
    const now = clock.now();
    const used = (clock.cpu() - usedBefore) / share;
    since = Math.max(since, now - used - burst);
    return used - (now - since);
  };

  function* waits(bytes: number): Generator<number> {
    const turn = bytesPerSecond > 0 && bytes > 0 ? turnOf(bytes) : 0n;
    for (;;) {
      const wait = Math.max(Number(turn) / 1000 - clock.now(), ahead());
      if (wait <= 0) return;
      yield Math.min(wait, nap);
    }
  }

  return {
    grain: bytesPerSecond === 0 ? largestGrain : Math.min(largestGrain, Math.max(smallestGrain, Math.floor(bytesPerSecond / 4))),
    async before(bytes, check) {
      for (const ms of waits(bytes)) {
        check();
        await clock.sleep(ms);
      }
    },
    beforeSync(bytes, check) {
      for (const ms of waits(bytes)) {
        check();
        clock.sleepSync(ms);
      }
    },
  };
}
