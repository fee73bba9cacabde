// Events: what comes again counts up, and no more are kept than are worth it.
import { expect, it } from 'vitest';
import { createAlarms } from '../../../src/agent/alarms.ts';
import type { AgentContext } from '../../../src/agent/context.ts';
import { createEvents } from '../../../src/agent/events.ts';
import { eventMethods } from '../../../src/agent/methods/events.ts';
import type { TaskDesk } from '../../../src/agent/task-desk.ts';
import type { Happening } from '../../../src/model/event.ts';
import { alarmGround, noon } from '../../beds/alarm-ground.ts';

const hour = 3600_000;
const plan = { kind: 'plan', id: 'plan0001', name: 'shop' } as const;
const failed: Happening = { subject: plan, type: 'BACKUP_FAILED', level: 'major', content: 'the disk is full' };
const noDesk = {} as TaskDesk;
const call = { caller: { name: 'root', address: 'local' }, signal: new AbortController().signal };

function bench(most?: number) {
  const ground = alarmGround();
  const events = createEvents(ground, most);
  const context: AgentContext = {
    ...ground,
    events,
    alarms: createAlarms(ground),
    audit: { record: () => undefined } as unknown as AgentContext['audit'],
  };
  const { eventList } = eventMethods(context, noDesk);
  const list = async (query: Parameters<typeof eventList>[0]['query']) => (await eventList({ query }, call)).items;
  return { ...ground, events, list };
}

it('M3 keeps type, level, content, count, first and last time; what comes again within a day of the last time counts up', async () => {
  const { events, later, list, state } = bench();
  for (let i = 0; i < 4; i++) {
    events.note(failed);
    later(23 * hour);
  }
  expect(await list({})).toMatchObject([
    {
      subject: plan,
      type: 'BACKUP_FAILED',
      level: 'major',
      content: 'the disk is full',
      count: 4,
      firstAt: noon,
      lastAt: noon + 69 * hour,
    },
  ]);
  later(2 * hour);
  events.note(failed);
  events.note({ ...failed, content: 'another reason' });
  events.note({ ...failed, type: 'BACKUP_WARNINGS' });
  events.note({ ...failed, subject: { ...plan, id: 'plan0002' } });
  events.note({ ...failed, subject: { ...plan, kind: 'vault' } });
  expect(await list({})).toHaveLength(6);
  state.close();
});

it('M3 a clock that was set back neither loses an event nor turns its times around', async () => {
  const { events, later, list, state } = bench();
  events.note(failed);
  later(-5 * hour);
  events.note(failed);
  expect(await list({})).toMatchObject([{ count: 2, firstAt: noon, lastAt: noon }]);
  state.close();
});

it('M3 lists by plan (also one that is gone), subject, type, level and above, times and pages', async () => {
  const { events, later, list, state } = bench();
  for (const [i, level] of (['info', 'minor', 'major', 'critical'] as const).entries()) {
    events.note({ subject: { kind: 'plan', id: `plan000${i % 2}`, name: i % 2 ? 'shop' : 'gone' }, type: `T${i}`, level, content: `${i}` });
    later(hour);
  }
  events.note({ subject: { kind: 'vault', id: 'vault001', name: 'shop' }, type: 'T9', level: 'info', content: '9' });
  const contents = async (query: Parameters<typeof list>[0]) => (await list(query)).map(({ content }) => content).join('');
  expect(await contents({ plan: 'shop' })).toBe('31');
  expect(await contents({ plan: 'plan0000' })).toBe('20');
  await expect(contents({ plan: 'never' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await contents({ subject: 'shop' })).toBe('931');
  expect(await contents({ level: 'major' })).toBe('32');
  expect(await contents({ type: 'T1' })).toBe('1');
  expect(await contents({ name: 'SHO', limit: 2 })).toBe('93');
  expect(await contents({ from: String(noon + hour), to: String(noon + 2 * hour) })).toBe('21');
  expect(await contents({ limit: 2, cursor: '2' })).toBe('21');
  state.close();
});

it('M3 keeps 90 days, and no more than so many', async () => {
  const { events, later, list, state, clock } = bench(3);
  events.note({ ...failed, content: 'old' });
  later(91 * 24 * hour);
  for (const content of ['a', 'b', 'c', 'd', 'e']) {
    events.note({ ...failed, content });
    later(1000);
  }
  events.tidy(clock.now());
  expect((await list({})).map(({ content }) => content)).toEqual(['e', 'd', 'c']);
  state.close();
});
