// Alarms: raised once, told to every receiver until it has taken them, cleared when what they tell is over.
import { hostname } from 'node:os';
import { logSink } from '../alarms/log.ts';
import { asStillpointError } from '../base/errors.ts';
import { type AlarmState, levels, type Subject } from '../model/event.ts';
import type { Alert } from '../ports/alarm-sink.ts';
import type { AlarmRow, AlarmSinkRow } from '../state/alarms.ts';
import { newId } from '../state/state.ts';
import { equals, type Filter } from '../state/table.ts';
import { createDelivery, type OpenSink } from './alarm-delivery.ts';
import { openSink } from './alarm-sinks.ts';
import type { AgentGround } from './ground.ts';

export interface Alarms {
  /** A standing alarm of the same subject and type only counts up; a higher level is told again. The level of one that stands never falls. */
  raise(alarm: AlarmState): void;
  /** Nothing happens if there is none. */
  clear(subject: Subject, type: string): void;
  standing(subject: Subject, type: string): AlarmRow | undefined;
  /** Tells receivers again what they have not taken; called often. */
  deliver(): void;
  /** Tells a receiver that is new what stands already. */
  greet(sink: AlarmSinkRow): void;
  /** Tells it a test alarm now, past its queue. Answers why it was not taken. */
  test(sink: AlarmSinkRow): Promise<string | undefined>;
  /** Forgets alarms that were over long ago. `now` in ms; to be called hourly. */
  tidy(now: number): void;
  /** Resolves when nothing is being told right now. */
  rest(): Promise<void>;
  stop(): Promise<void>;
}

const keptMs = 90 * 24 * 3600 * 1000;
export const isStanding: Filter = { sql: 'cleared_at IS NULL', values: {} };

export function createAlarms(ground: AgentGround, open: OpenSink = (row) => openSink(ground, row)): Alarms {
  const { state, clock, log } = ground;
  const { alarms } = state.alarming;
  const ownLog = logSink(log);
  const delivery = createDelivery(ground, open);
  const stopping = new AbortController();

  const standing = ({ kind, id }: Subject, type: string): AlarmRow | undefined =>
    alarms.where([equals('subject_kind', kind), equals('subject_id', id), equals('type', type), isStanding], undefined, 1)[0];

  function tell(alert: Alert): void {
    void ownLog.tell(alert, stopping.signal);
    delivery.enqueue(alert);
    delivery.deliver();
  }

  const alertOf = (row: AlarmRow, kind: Alert['kind'], at: number): Alert => ({
    id: row.id,
    kind,
    type: row.type,
    level: row.level,
    subject: { kind: row.subjectKind, id: row.subjectId, name: row.subjectName },
    content: row.content,
    at,
    hostname: hostname(),
    agentId: state.agentId,
  });

  function raiseNew({ subject, type, level, content }: AlarmState): void {
    const now = clock.now();
    const row: AlarmRow = {
      id: newId(),
      subjectKind: subject.kind,
      subjectId: subject.id,
      subjectName: subject.name,
      type,
      level,
      content,
      count: 1,
      raisedAt: now,
      lastAt: now,
      clearedAt: null,
      ackedAt: null,
      ackedBy: null,
    };
    alarms.insert(row);
    tell(alertOf(row, 'raise', now));
  }

  function raiseAgain(row: AlarmRow, { subject, level, content }: AlarmState): void {
    const now = clock.now();
    const higher = levels.indexOf(level) > levels.indexOf(row.level);
    // Whoever looks after it did not know that it is as bad as this.
    const change = {
      subjectName: subject.name,
      content,
      count: row.count + 1,
      lastAt: now,
      ...(higher && { level, ackedAt: null, ackedBy: null }),
    };
    alarms.update(row.id, change);
    if (higher) tell(alertOf({ ...row, ...change }, 'raise', now));
  }

  return {
    standing,
    raise(alarm) {
      state.transaction(() => {
        const row = standing(alarm.subject, alarm.type);
        if (row) raiseAgain(row, alarm);
        else raiseNew(alarm);
      });
    },
    clear(subject, type) {
      const row = standing(subject, type);
      if (!row) return;
      state.transaction(() => {
        const clearedAt = clock.now();
        alarms.update(row.id, { clearedAt });
        tell(alertOf(row, 'clear', clearedAt));
      });
    },
    deliver: () => delivery.deliver(),
    greet(sink) {
      for (const row of alarms.where([isStanding], 'raised_at, rowid')) delivery.enqueue(alertOf(row, 'raise', row.raisedAt), [sink]);
      delivery.deliver();
    },
    async test(sink) {
      const at = clock.now();
      const subject: Subject = { kind: 'agent', id: '', name: hostname() };
      const content = 'a test: whoever reads this will be told of alarms';
      const alert: Alert = {
        id: newId(),
        kind: 'test',
        type: 'TEST',
        level: 'info',
        subject,
        content,
        at,
        hostname: hostname(),
        agentId: state.agentId,
      };
      try {
        await (await open(sink)).tell(alert, stopping.signal);
        return undefined;
      } catch (error) {
        return asStillpointError(error).message;
      }
    },
    tidy: (now) => void alarms.expire(now - keptMs),
    rest: () => delivery.rest(),
    async stop() {
      stopping.abort();
      await delivery.stop();
    },
  };
}
