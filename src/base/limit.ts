// A bandwidth limit: one token bucket that everything that leaves and everything that comes in takes from, in the order of asking.

export interface Limit {
  /** Resolves when `bytes` may pass. Ask in pieces of at most `grain()` bytes, so that the flow is even and a changed rate is felt at once. */
  take(bytes: number): Promise<void>;
  /** Bytes to ask for at a time: 64 KiB, less under a rate so low that such a piece would take longer than a quarter of a second. */
  grain(): number;
  /** Bytes a second from now on, also for those who wait already; 0 for no limit. */
  setRate(bytesPerSecond: number): void;
}

export interface LimitClock {
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
  /** Calls `wake` after `milliseconds`; the answer calls it off. */
  after(milliseconds: number, wake: () => void): () => void;
}

const systemLimitClock: LimitClock = {
  now: () => performance.now(),
  after: (milliseconds, wake) => {
    const timer = setTimeout(wake, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** What may pass at once after a rest, in milliseconds of the rate. */
const burst = 250;
const largestGrain = 64 * 1024;
const smallestGrain = 1024;

/** A limit of `bytesPerSecond` (0 for none). A take larger than the burst passes when the bucket is full and leaves it in debt. */
export function bandwidthLimit(bytesPerSecond: number, clock: LimitClock = systemLimitClock): Limit {
  let rate = bytesPerSecond;
  let tokens = capacityOf(rate);
  let filled = clock.now();
  let cancel: (() => void) | undefined;
  const waiting: { readonly bytes: number; readonly pass: () => void }[] = [];

  const refill = () => {
    const now = clock.now();
    tokens = Math.min(capacityOf(rate), tokens + ((now - filled) / 1000) * rate);
    filled = now;
  };

  const serve = () => {
    cancel?.();
    cancel = undefined;
    refill();
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const missing = rate === 0 ? 0 : Math.min(next.bytes, capacityOf(rate)) - tokens;
      if (missing > 0) {
        cancel = clock.after(Math.ceil((missing / rate) * 1000), serve);
        return;
      }
      if (rate > 0) tokens -= next.bytes;
      waiting.shift();
      next.pass();
    }
  };

  return {
    take(bytes) {
      if (rate === 0 && waiting.length === 0) return Promise.resolve();
      return new Promise((pass) => {
        waiting.push({ bytes, pass });
        if (waiting.length === 1) serve();
      });
    },
    grain: () => (rate === 0 ? largestGrain : Math.min(largestGrain, Math.max(smallestGrain, Math.floor(capacityOf(rate))))),
    setRate(next) {
      refill();
      rate = next;
      // A debt made under the old rate is forgotten: it would be paid at the new one, which may be far slower.
      tokens = Math.min(Math.max(tokens, 0), capacityOf(rate));
      serve();
    },
  };
}

function capacityOf(rate: number): number {
  return (rate * burst) / 1000;
}
