// Alerts on their way: each receiver has a queue of its own in the database, is told one at a time and in order, and again after a while if it
// did not take one.
import { asStillpointError } from '../base/errors.ts';
import { type Level, levels } from '../model/event.ts';
import type { AlarmSink, Alert } from '../ports/alarm-sink.ts';
import type { AlarmSinkRow, DeliveryRow } from '../state/alarms.ts';
import { newId } from '../state/state.ts';
import { equals } from '../state/table.ts';
import { openSink } from './alarm-sinks.ts';
import { createEvents } from './events.ts';
import type { AgentGround } from './ground.ts';

export type OpenSink = (row: AlarmSinkRow) => Promise<AlarmSink>;

export interface Delivery {
  /** Puts the alert into the queue of `sinks`, or of all whose level it reaches. */
  enqueue(alert: Alert, sinks?: readonly AlarmSinkRow[]): void;
  /** Starts telling what is due. */
  deliver(): void;
  /** Resolves when nothing is being told right now. */
  rest(): Promise<void>;
  stop(): Promise<void>;
}

const firstPause = 10_000;
const longestPause = 3600_000;
/** Alerts that wait for one receiver. */
const mostWaiting = 1000;
const perMinute = 60;
const minute = 60_000;
const joinedType = 'ALERTS_JOINED';
/** Types named in the alert that stands for the others. */
const namedTypes = 5;
/** Fact: receiver → how many alerts were dropped since it took one. */
const droppedFact = 'alarm-sinks/dropped';

export const reaches = (level: Level, least: Level): boolean => levels.indexOf(level) >= levels.indexOf(least);

export function createDelivery(ground: AgentGround, open: OpenSink = (row) => openSink(ground, row)): Delivery {
  const { state, clock, log } = ground;
  const { sinks, deliveries } = state.alarming;
  const events = createEvents(ground);
  const stopping = new AbortController();
  const pumps = new Map<string, Promise<void>>();
  /** When each receiver was told, in the last minute. */
  const told = new Map<string, readonly number[]>();

  const dropped = () => (state.facts.get(droppedFact) ?? {}) as Readonly<Record<string, number>>;
  function noteDropped(id: string, count: number): void {
    const { [id]: before = 0, ...others } = dropped();
    if (before !== count) state.facts.set(droppedFact, count === 0 ? others : { ...others, [id]: count });
  }

  function enqueue(alert: Alert, receivers: readonly AlarmSinkRow[] = sinks.where([])): void {
    const now = clock.now();
    for (const sink of receivers) {
      if (!reaches(alert.level, sink.level)) continue;
      deliveries.insert({ id: newId(), sinkId: sink.id, alert, attempts: 0, nextAt: now, createdAt: now });
      const mine = [equals('sink_id', sink.id)];
      const over = deliveries.count(mine) - mostWaiting;
      if (over <= 0) continue;
      // The new head waits as long as the old one did, or dropping would mean trying at once, each time.
      const [head] = deliveries.where(mine, undefined, 1);
      for (const oldest of deliveries.where(mine, undefined, over)) deliveries.remove(oldest.id);
      const [next] = deliveries.where(mine, undefined, 1);
      if (head && next) deliveries.update(next.id, { attempts: head.attempts, nextAt: head.nextAt });
      noteDropped(sink.id, (dropped()[sink.id] ?? 0) + over);
    }
  }

  /** The next alert for it, if it may be told now. */
  function due(sinkId: string): DeliveryRow | undefined {
    const now = clock.now();
    const recent = (told.get(sinkId) ?? []).filter((at) => at <= now && at > now - minute);
    told.set(sinkId, recent);
    const mine = [equals('sink_id', sinkId)];
    const [head] = deliveries.where(mine, undefined, 1);
    // A pause that is longer than pauses are comes from a clock that was ahead.
    if (!head || recent.length >= perMinute || (head.nextAt > now && head.nextAt <= now + longestPause)) return undefined;
    if (recent.length < perMinute - 1) return head;
    join(deliveries.where(mine));
    return deliveries.where(mine, undefined, 1)[0];
  }

  /** The first that was told of an alarm. */
  const isFirst = ({ kind, id, at }: Alert) => kind === 'raise' && state.alarming.alarms.get(id)?.raisedAt === at;

  /**
   * Puts one in the place of those that wait: a storm must not bury its receiver. The end of an alarm that was told stays as it is, or it would
   * stand for ever where alarms are kept.
   */
  function join(waiting: readonly DeliveryRow[]): void {
    const begun = new Set(waiting.filter(({ alert }) => isFirst(alert)).map(({ alert }) => alert.id));
    const rows = waiting.filter(({ alert }) => alert.type !== joinedType && (alert.kind === 'raise' || begun.has(alert.id)));
    const [first, second] = rows;
    if (!first || !second) return;
    const level = levels[Math.max(...rows.map(({ alert }) => levels.indexOf(alert.level)))]!;
    const cleared = rows.filter(({ alert }) => alert.kind === 'clear').length;
    const types = [...new Set(rows.map(({ alert }) => alert.type))];
    const named = types.slice(0, namedTypes).join(', ') + (types.length > namedTypes ? ' …' : '');
    const content = `${rows.length} more alerts in this minute (${rows.length - cleared} raised, ${cleared} cleared): ${named}; see agentcli alarm list`;
    const subject = { kind: 'agent', id: '', name: first.alert.hostname } as const;
    const alert: Alert = { ...first.alert, id: newId(), kind: 'raise', type: joinedType, level, subject, content, at: clock.now() };
    state.transaction(() => {
      for (const { id } of rows) deliveries.remove(id);
      deliveries.insert({ ...first, id: newId(), alert });
    });
  }

  async function tell(sink: AlarmSinkRow, row: DeliveryRow): Promise<boolean> {
    try {
      await (await open(sink)).tell(row.alert, stopping.signal);
    } catch (error) {
      if (!stopping.signal.aborted) noteTrouble(sink, row, asStillpointError(error).message);
      return false;
    }
    told.set(sink.id, [...(told.get(sink.id) ?? []), clock.now()]);
    state.transaction(() => {
      deliveries.remove(row.id);
      noteDropped(sink.id, 0);
      if (sinks.get(sink.id)?.trouble) {
        sinks.update(sink.id, { trouble: '' });
        note(sink, 'ALARM_SINK_BACK', 'info', `the alarm receiver ${sink.name} takes alarms again`);
      }
    });
    return true;
  }

  function noteTrouble(sink: AlarmSinkRow, row: DeliveryRow, detail: string): void {
    const attempts = row.attempts + 1;
    const lost = dropped()[sink.id] ?? 0;
    const trouble = lost === 0 ? detail : `${detail} (${lost} alerts were dropped, because more than ${mostWaiting} waited)`;
    state.transaction(() => {
      // It may have been dropped meanwhile: then whoever is first now waits.
      const head = deliveries.get(row.id) ?? deliveries.where([equals('sink_id', sink.id)], undefined, 1)[0];
      if (head) deliveries.update(head.id, { attempts, nextAt: clock.now() + Math.min(longestPause, firstPause * 2 ** row.attempts) });
      if (!sinks.update(sink.id, { trouble })) return;
      // An event, never an alarm: that would have to be told to the very receiver that takes none.
      note(sink, 'ALARM_SINK_FAILED', 'minor', detail);
    });
    log.warn({ sink: sink.name, attempts, detail }, 'an alarm could not be told');
  }

  function note(sink: AlarmSinkRow, type: string, level: Level, content: string): void {
    events.note({ subject: { kind: 'agent', id: '', name: sink.name }, type, level, content });
  }

  async function pump(sinkId: string): Promise<void> {
    // Whoever raised the alarm may still be in a transaction.
    await Promise.resolve();
    for (let going = true; going && !stopping.signal.aborted; ) {
      const sink = sinks.get(sinkId);
      const row = sink && due(sinkId);
      going = row !== undefined && (await tell(sink!, row));
    }
  }

  return {
    enqueue,
    deliver() {
      for (const { id } of stopping.signal.aborted ? [] : sinks.where([])) {
        if (pumps.has(id)) continue;
        const pumping = pump(id)
          .catch((error: unknown) => log.error({ err: error }, 'alarms could not be told'))
          .finally(() => pumps.delete(id));
        pumps.set(id, pumping);
      }
    },
    async rest() {
      while (pumps.size > 0) await Promise.all(pumps.values());
    },
    async stop() {
      stopping.abort();
      await Promise.all(pumps.values());
    },
  };
}
