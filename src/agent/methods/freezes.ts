// Freezes for a snapshot that somebody else takes (A5): start, poll, thaw. rdfreeze holds them and keeps their limit; nothing here is needed
// for the thaw.
import { asStillpointError, fail, failure, type Problem } from '../../base/errors.ts';
import type { ThawReport } from '../../model/freeze.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { Freeze } from '../../rpc/schemas.ts';
import { newId } from '../../state/state.ts';
import type { AgentContext } from '../context.ts';
import { type FreezerSettings, type Frozen, startFreeze } from '../freezer.ts';

type Methods = Pick<Handlers, 'freezeStart' | 'freezeShow' | 'freezeList' | 'freezeThaw'>;

interface Held {
  view: Freeze;
  /** Settles when it is frozen or has failed. */
  readonly begun: Promise<Frozen | undefined>;
  readonly callOff: AbortController;
}

/** Freezes of this run of the agent that can still be asked about. */
const kept = 100;
const defaultLimit = 60;

export function freezeMethods({ clock, settings, log }: AgentContext, freezer: FreezerSettings): Methods {
  const freezes = new Map<string, Held>();

  const find = (id: string): Held => freezes.get(id) ?? fail('NOT_FOUND', { what: 'freeze', id });
  const change = (held: Held, change: Partial<Freeze>) => {
    held.view = { ...held.view, ...change };
  };

  function ended(held: Held, report: ThawReport, problem?: Problem): void {
    const { held: whole, lost, thawed, steps, facts, frozenMs } = report;
    if (!thawed) log.error({ freeze: held.view.id, steps }, 'something may still be frozen; it is tried again without end');
    change(held, {
      state: problem ? 'failed' : 'thawed',
      endedAt: clock.now(),
      ...{ held: whole, lost: lost ?? null, thawed, steps: [...steps], facts, frozenMs: Math.round(frozenMs) },
      problem: problem ?? null,
    });
  }

  async function begin(held: Held, fileSystems: readonly string[], applications: boolean): Promise<Frozen | undefined> {
    const { id, limitSeconds } = held.view;
    const { signal } = held.callOff;
    let report: ThawReport | undefined;
    const onFailure = (told: ThawReport) => {
      report = told;
    };
    const request = { id, applications, fileSystems, limitMs: limitSeconds * 1000, perHour: settings.freezesPerHour };
    try {
      const frozen = await startFreeze(request, { ...freezer, onFailure, signal });
      change(held, { state: 'frozen', frozenAt: clock.now(), names: [...frozen.names], facts: frozen.facts });
      void frozen.ended.then((last) => ended(held, last));
      return frozen;
    } catch (error) {
      const problem = asStillpointError(error).toProblem();
      log.warn({ freeze: id, problem }, 'a freeze did not come about');
      ended(held, report ?? nothing(problem.detail), problem);
      return undefined;
    }
  }

  return {
    freezeStart({ body }) {
      const { fileSystems = [], applications = true, limitSeconds = defaultLimit } = body;
      const view: Freeze = { ...fresh, id: newId(), startedAt: clock.now(), limitSeconds };
      const begun = Promise.withResolvers<Frozen | undefined>();
      const held: Held = { view, begun: begun.promise, callOff: new AbortController() };
      freezes.set(view.id, held);
      for (const old of [...freezes.values()].slice(0, -kept)) if (old.view.endedAt !== null) freezes.delete(old.view.id);
      begun.resolve(begin(held, fileSystems, applications));
      return held.view;
    },
    freezeShow: ({ params }) => find(params.id).view,
    freezeList: () => ({ items: [...freezes.values()].map(({ view }) => view).toReversed() }),
    async freezeThaw({ params }) {
      const held = find(params.id);
      if (held.view.state === 'freezing') held.callOff.abort(failure('FREEZE_FAILED', { name: 'the freeze', detail: 'it was called off' }));
      const frozen = await held.begun;
      if (frozen) {
        await frozen.thaw();
        await Promise.resolve(); // what hears of the end first writes it down
      }
      return held.view;
    },
  };
}

const fresh: Omit<Freeze, 'id' | 'startedAt' | 'limitSeconds'> = {
  ...{ state: 'freezing', frozenAt: null, endedAt: null, names: [], held: null, lost: null, thawed: null, frozenMs: null },
  ...{ steps: [], facts: {}, problem: null },
};

const nothing = (reason: string): ThawReport => ({
  ...{ held: false, lost: { cause: 'failed', reason }, thawed: true, steps: [], facts: {}, frozenMs: 0 },
});
