// One file on its way from who unpacks a stream to who stores it: what is pushed waits until it is taken, so that at most one piece is held.

export interface FileLane {
  /** Resolves when it was taken. Throws what the taker threw. */
  push(bytes: Buffer): Promise<void>;
  /** No more comes; resolves when the taker was told. */
  end(): Promise<void>;
  /** The taker gets `error` instead of the next bytes. */
  fail(error: unknown): void;
  /** Bytes pushed so far. */
  written(): number;
  /** Settles with what the taker made of it. */
  readonly taken: Promise<void>;
}

interface Waiting {
  resolve(result: IteratorResult<Buffer, undefined>): void;
  reject(error: unknown): void;
}

/** Calls `take` at once. */
export function fileLane(take: (bytes: AsyncIterable<Buffer>) => Promise<void>): FileLane {
  let written = 0;
  let failed: { readonly error: unknown } | undefined;
  let over = false;
  let asking = slot();
  const bytes: AsyncIterableIterator<Buffer, undefined> = {
    next: () =>
      new Promise((resolve, reject) => {
        if (failed) reject(failed.error);
        else if (over) resolve({ done: true, value: undefined });
        else asking.resolve({ resolve, reject });
      }),
    [Symbol.asyncIterator]: () => bytes,
  };
  const taken = take(bytes);
  let gone: { readonly error: unknown } | undefined;
  const leave = (error: unknown) => {
    gone = { error };
    asking.reject(error);
  };
  taken.then(() => leave(new Error('who takes a file left before its end')), leave);
  const asked = async (): Promise<Waiting> => {
    const waiting = await asking.promise;
    asking = slot();
    if (gone) asking.reject(gone.error);
    return waiting;
  };
  return {
    taken,
    written: () => written,
    push: async (piece) => {
      const waiting = await asked();
      written += piece.length;
      waiting.resolve({ done: false, value: piece });
    },
    end: async () => {
      const waiting = await asked();
      over = true;
      waiting.resolve({ done: true, value: undefined });
    },
    fail: (error) => {
      failed = { error };
      asking.promise.then((waiting) => waiting.reject(error), nobody);
    },
  };
}

const nobody = () => undefined;

/** For whoever asks for bytes next; a taker that has left rejects it, and that is told to whoever waits for it, if anybody does. */
function slot(): PromiseWithResolvers<Waiting> {
  const made = Promise.withResolvers<Waiting>();
  made.promise.catch(nobody);
  return made;
}
