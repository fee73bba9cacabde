// The same for a task that may only read: a process of root takes the images, and removes them when the task ends, however it does.
import { failure, StillpointError } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import type { Started } from '../host/start.ts';
import type { ImageEvent, ImageOrder } from '../model/images.ts';
import type { Places } from '../model/place.ts';
import type { Snapshot } from '../ports/snapshot.ts';
import type { Warn } from '../ports/source.ts';
import type { Images } from './images.ts';

type Answer = Exclude<ImageEvent, { type: 'warning' | 'problem' }>;

export function imagesThrough(start: () => Started, onText: (text: string) => void): Images {
  let talk: Talk | undefined;
  const ask = (order: ImageOrder, warn?: Warn) => {
    talk ??= talkWith(start(), onText);
    return talk(order, warn);
  };

  function taken(): Snapshot {
    let places: Places = { planned: [], images: [] };
    return {
      async open(warn) {
        const answer = await ask({ ask: 'open' }, warn);
        if (answer.type !== 'opened') throw unexpected(answer);
        places = answer.places;
        return answer.apart;
      },
      get places() {
        return places;
      },
      intact: async () => void (await ask({ ask: 'intact' })),
      remove: async () => void (await ask({ ask: 'remove' })),
    };
  }

  return {
    async writers(paths) {
      const answer = await ask({ ask: 'writers', paths });
      if (answer.type !== 'writers') throw unexpected(answer);
      return answer.writers;
    },
    sweep: (warn) =>
      ask({ ask: 'sweep' }, warn).then(
        () => undefined,
        (error: unknown) => warn({ item: 'snapshot', detail: String(error) }),
      ),
    async choose(request, warn) {
      const answer = await ask({ ask: 'choose', request }, warn);
      if (answer.type === 'none') return { none: answer.problem };
      if (answer.type !== 'plan') throw unexpected(answer);
      const take = () => ask({ ask: 'take' }).then(taken);
      return { plan: { ...answer.plan, take } };
    },
  };
}

const unexpected = ({ type }: Answer) => failure('INTERNAL', { detail: `the process that takes images answered ${type}` });

type Talk = (order: ImageOrder, warn?: Warn) => Promise<Answer>;

/** Orders one after the other, as its answers come. */
function talkWith(child: Started, onText: (text: string) => void): Talk {
  child.text.setEncoding('utf8').on('data', onText);
  let waiting: { readonly warn: Warn | undefined; readonly answer: PromiseWithResolvers<Answer> } | undefined;
  let last: Warn | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let gone: StillpointError | undefined;

  const hear = (event: ImageEvent) => {
    if (event.type === 'warning') last?.(event.warning);
    else if (event.type === 'problem') waiting?.answer.reject(new StillpointError(event.problem));
    else waiting?.answer.resolve(event);
  };
  void (async () => {
    try {
      for await (const line of linesOf(child.events)) hear(JSON.parse(line) as ImageEvent);
    } catch {
      // A line cut off by its death; its end tells the rest.
    }
    gone = failure('SNAPSHOT_FAILED', {
      path: 'what is to be read',
      detail: `the process that takes images has ended (${await child.ended})`,
    });
    waiting?.answer.reject(gone);
  })();

  return (order, warn) => {
    const asked = turn.then(() => {
      if (gone) throw gone;
      const answer = Promise.withResolvers<Answer>();
      waiting = { warn, answer };
      last = warn ?? last;
      child.orders.write(`${JSON.stringify(order)}\n`);
      return answer.promise;
    });
    turn = asked.catch(() => undefined);
    return asked;
  };
}
