// What happened, kept for people. What comes again only counts up.
import type { Happening } from '../model/event.ts';
import { newId } from '../state/state.ts';
import { atLeast, equals } from '../state/table.ts';
import type { AgentGround } from './ground.ts';

export interface Events {
  note(happening: Happening): void;
  /** Forgets what is old, and the oldest of too many. `now` in ms; to be called hourly. */
  tidy(now: number): void;
}

const day = 24 * 3600 * 1000;
const keptDays = 90;
const kept = 100_000;
/** Characters; what a database said may be long. */
const longest = 2000;

export function createEvents({ state, clock }: Pick<AgentGround, 'state' | 'clock'>, most = kept): Events {
  return {
    note({ subject, type, level, content: text }) {
      const now = clock.now();
      const content = text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
      const same = [equals('subject_kind', subject.kind), equals('subject_id', subject.id), equals('type', type)];
      const [known] = state.events.where([...same, atLeast('last_at', now - day), equals('content', content)], 'last_at DESC', 1);
      if (known) {
        const lastAt = Math.max(known.lastAt, now);
        return void state.events.update(known.id, { count: known.count + 1, lastAt, level, subjectName: subject.name });
      }
      const { kind: subjectKind, id: subjectId, name: subjectName } = subject;
      state.events.insert({ id: newId(), subjectKind, subjectId, subjectName, type, level, content, count: 1, firstAt: now, lastAt: now });
    },
    tidy: (now) => void state.events.expire(now - keptDays * day, most),
  };
}
