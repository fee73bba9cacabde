// Work that runs in the background, at most so many at a time, whose first error stops the rest.

export interface Lane {
  add(work: () => Promise<void>): void;
  /** Resolves when fewer than `count` works wait for their turn; throws the first error. */
  below(count: number): Promise<void>;
  /** Resolves when nothing is left; throws the first error. */
  idle(): Promise<void>;
  readonly error: unknown;
}

export function backgroundLane(width: number, onError: (error: unknown) => void = () => undefined): Lane {
  const waiting: (() => Promise<void>)[] = [];
  const idlers: (() => void)[] = [];
  let belowers: { readonly count: number; readonly wake: () => void }[] = [];
  let running = 0;
  let failed: { readonly error: unknown } | undefined;

  const next = () => {
    while (!failed && running < width && waiting.length > 0) {
      running++;
      waiting.shift()!()
        .catch((error: unknown) => {
          if (failed) return;
          failed = { error };
          waiting.length = 0;
          onError(error);
        })
        .finally(() => {
          running--;
          next();
        });
    }
    if (running === 0) for (const wake of idlers.splice(0)) wake();
    const ready = belowers.filter(({ count }) => failed || waiting.length < count);
    if (ready.length === 0) return;
    belowers = belowers.filter((one) => !ready.includes(one));
    for (const { wake } of ready) wake();
  };

  return {
    add: (work) => {
      if (failed) return;
      waiting.push(work);
      next();
    },
    below: async (count) => {
      if (!failed && waiting.length >= count) await new Promise<void>((wake) => belowers.push({ count, wake }));
      if (failed) throw failed.error;
    },
    idle: async () => {
      if (running > 0 || waiting.length > 0) await new Promise<void>((resolve) => idlers.push(resolve));
      if (failed) throw failed.error;
    },
    get error() {
      return failed?.error;
    },
  };
}

/** Lets at most `limit` units of work be under way; `enter` waits for room. */
export interface Gate {
  enter(units: number): Promise<void>;
  leave(units: number): void;
}

export function gate(limit: number): Gate {
  let inside = 0;
  const waiting: { readonly units: number; readonly go: () => void }[] = [];
  return {
    enter: (units) => {
      if (inside === 0 || inside + units <= limit) {
        inside += units;
        return Promise.resolve();
      }
      return new Promise((resolve) => waiting.push({ units, go: resolve }));
    },
    leave: (units) => {
      inside -= units;
      while (waiting.length > 0 && (inside === 0 || inside + waiting[0]!.units <= limit)) {
        const one = waiting.shift()!;
        inside += one.units;
        one.go();
      }
    },
  };
}
