// Whether the clock can be believed: a backup that a wrong date declared expired is gone for ever (requirement B3).
import type { AgentContext } from './context.ts';

export interface ClockTrust {
  /** Why not, for people; null if it can. */
  doubt(): string | null;
  /** Remembers the time; called every minute or so. */
  tick(): void;
}

/** From where the clock jumped, and for how long (ms) it has gone on evenly since, over all boots. */
interface Doubt {
  readonly from: number;
  readonly even: number;
}

/** As last seen. Wall clock and boot time in ms. */
interface Seen {
  readonly wall: number;
  readonly boot: number;
  readonly bootId: string;
  readonly doubted?: Doubt;
}

const day = 24 * 3600 * 1000;
const key = 'clock';
const agent = { kind: 'agent', id: '', name: '' } as const;

/** Further than a day from where it should be it is doubted, and believed again when it has gone on evenly for a day. */
export function createClockTrust({ state, clock, bootId, alarms }: AgentContext): ClockTrust {
  let seen = state.facts.get(key) as Seen | undefined;

  function look(): Seen {
    const wall = clock.now();
    const boot = clock.boottime();
    if (!seen) return { wall, boot, bootId };
    const sameBoot = seen.bootId === bootId && boot >= seen.boot;
    const expected = sameBoot ? seen.wall + (boot - seen.boot) : seen.wall;
    if (Math.abs(wall - expected) > day) return { wall, boot, bootId, doubted: { from: expected, even: 0 } };
    const { doubted } = seen;
    if (!doubted) return { wall, boot, bootId };
    // A host that is off every night would never be believed again if each restart began the day anew.
    const even = doubted.even + (sameBoot ? boot - seen.boot : 0);
    return even >= day ? { wall, boot, bootId } : { wall, boot, bootId, doubted: { ...doubted, even } };
  }

  return {
    doubt() {
      const { doubted } = look();
      return doubted ? `it is more than a day away from where it should be: ${iso(clock.now())}, last known ${iso(doubted.from)}` : null;
    },
    tick() {
      const before = seen?.doubted;
      seen = look();
      state.facts.set(key, seen);
      if (seen.doubted && !before)
        alarms.raise({
          subject: agent,
          type: 'CLOCK_JUMPED',
          level: 'major',
          content: `the clock of this host went from ${iso(seen.doubted.from)} to ${iso(seen.wall)}: nothing expires until it has gone on evenly for a day`,
        });
      if (!seen.doubted && before) alarms.clear(agent, 'CLOCK_JUMPED');
    },
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();
