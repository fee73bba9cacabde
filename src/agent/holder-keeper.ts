// Holds one database: freezes it, proves that it holds, thaws it, once, whoever asks first, and does not give up until it is thawed.
import { setTimeout as pause } from 'node:timers/promises';
import { asStillpointError, failure, type StillpointError } from '../base/errors.ts';
import type { FreezeFacts, Quiescer } from '../ports/quiescer.ts';

export interface Keeper {
  /** Rejects with what stood in the way; nothing is frozen then, or the thaw is under way. */
  freeze(): Promise<FreezeFacts>;
  /** Throws what the quiescer throws, FREEZE_LOST after a thaw. */
  held(): Promise<void>;
  /** `reason`: why, if nobody asked for it. Rejects with the error of an attempt; the attempts go on. */
  thaw(reason?: string): Promise<FreezeFacts>;
  /** Somebody or something has ended it; it may not be thawed yet. */
  readonly ending: boolean;
  /** Resolves when nothing is frozen any more and nothing will be. */
  readonly over: Promise<void>;
}

/** How long an interrupted freeze may take to undo what it began, before the thaw is tried beside it (ms). */
const settleMs = 1000;
const firstDelayMs = 200;
const maxDelayMs = 5000;

/**
 * `deadline`: CLOCK_BOOTTIME (ms), told to the quiescer; keeping it is the caller's. `onThawed` is called before anybody who asked hears of
 * it, with the reason, if nobody had asked; it must not throw.
 */
export function createKeeper(quiescer: Quiescer, deadline: number, onThawed: (reason: string | undefined) => void): Keeper {
  const stop = new AbortController();
  const over = Promise.withResolvers<void>();
  let frozen: Promise<FreezeFacts> | undefined;
  let freezing = false;
  /** The last thaw was tried beside a freeze that did not heed its interruption. */
  let late = false;
  let why: { readonly reason?: string } | undefined;
  let attempt: Promise<FreezeFacts> | undefined;

  async function thawOnce(): Promise<FreezeFacts> {
    // A freeze that failed has undone what it began; thawing is right all the same.
    await Promise.race([frozen?.catch(() => undefined), pause(settleMs)]);
    late = freezing;
    const facts = await quiescer.thaw();
    onThawed(why?.reason);
    return facts;
  }

  async function untilThawed(): Promise<void> {
    for (let delay = firstDelayMs; ; delay = Math.min(delay * 2, maxDelayMs)) {
      attempt = thawOnce();
      try {
        await attempt;
        if (!late) return over.resolve();
        // What became frozen beside its thaw is thawed once more.
        await frozen?.catch(() => undefined);
      } catch {
        await pause(delay);
      }
    }
  }

  return {
    get ending() {
      return why !== undefined;
    },
    over: over.promise,
    freeze() {
      if (why) return Promise.reject(lost());
      freezing = true;
      frozen = quiescer.freeze({ deadline, signal: stop.signal }).finally(() => {
        freezing = false;
      });
      return frozen;
    },
    async held() {
      if (why) throw lost();
      await quiescer.held();
      if (why) throw lost();
    },
    thaw(reason) {
      if (!why) {
        why = reason === undefined ? {} : { reason };
        stop.abort();
        void untilThawed();
      }
      return attempt ?? Promise.resolve({});
    },
  };

  function lost(): StillpointError {
    return failure('FREEZE_LOST', { name: quiescer.name, detail: why?.reason ?? 'it was thawed' });
  }
}

export const textOf = (error: unknown): string => asStillpointError(error).message;
