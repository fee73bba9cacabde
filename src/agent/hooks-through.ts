// A backup's commands, as the task sees them: a process of its own runs them, with the rights for it, and finishes what a dead task began.
import { finished } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { asStillpointError, failure, StillpointError } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import type { HookRun, StartHooks } from '../engine/hooks.ts';
import type { Started } from '../host/start.ts';
import type { HookEvent, HookOrder } from '../model/hooks.ts';
import type { Warn } from '../ports/source.ts';

/** ms for the last words of the process once all has run. */
const lastWords = 2000;

/** `onText`: what the commands say. */
export function hooksThrough(start: () => Started, onText: (text: string) => void): StartHooks {
  return (hooks, facts): HookRun => {
    const child = start();
    child.text.setEncoding('utf8').on('data', onText);
    const heard = answersOf(child);
    const ask = (order: HookOrder) => {
      child.orders.write(`${JSON.stringify(order)}\n`);
      return heard.next();
    };
    let begun: Promise<void> = Promise.resolve();

    return {
      async before(signal) {
        signal.throwIfAborted();
        begun = ask({ ask: 'before', hooks, facts });
        await Promise.race([begun, aborted(signal)]);
      },
      async after(result, code, warn) {
        heard.warn = warn;
        try {
          // A command that runs still is ended by this order; its answer comes first.
          const over = ask({ ask: 'after', result, code });
          await begun.catch(() => undefined);
          await over;
        } catch (error) {
          warn({ item: 'commands after the backup', detail: asStillpointError(error).message });
        } finally {
          child.orders.end();
          // What they said last belongs into the log, too.
          await Promise.race([finished(child.text).catch(() => undefined), pause(lastWords, undefined, { ref: false })]);
        }
      },
    };
  };
}

/** Answers come in the order in which they were asked for. */
function answersOf(child: Started) {
  const waiting: PromiseWithResolvers<void>[] = [];
  let gone: StillpointError | undefined;
  const heard = {
    warn: undefined as Warn | undefined,
    next(): Promise<void> {
      const answer = Promise.withResolvers<void>();
      answer.promise.catch(() => undefined);
      if (gone) answer.reject(gone);
      else waiting.push(answer);
      return answer.promise;
    },
  };
  const hear = (event: HookEvent) => {
    if (event.type === 'warning') heard.warn?.(event.warning);
    else if (event.type === 'problem') waiting.shift()?.reject(new StillpointError(event.problem));
    else waiting.shift()?.resolve();
  };
  void (async () => {
    try {
      for await (const line of linesOf(child.events)) hear(JSON.parse(line) as HookEvent);
    } catch {
      // A line cut off by its death; its end tells the rest.
    }
    const detail = `the process that runs the commands has ended (${await child.ended})`;
    gone = failure('HOOK_FAILED', { when: 'next', name: 'of the plan', detail });
    for (const answer of waiting.splice(0)) answer.reject(gone);
  })();
  return heard;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}
