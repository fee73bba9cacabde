import { fail } from '../../base/errors.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { Alarm, AlarmRule, AlarmSink } from '../../rpc/schemas-alarms.ts';
import type { AlarmRow, AlarmRuleRow, AlarmSinkRow } from '../../state/alarms.ts';
import { newId } from '../../state/state.ts';
import { contains, equals } from '../../state/table.ts';
import { keepSink } from '../alarm-sinks.ts';
import { isStanding } from '../alarms.ts';
import type { AgentContext } from '../context.ts';
import { checkName } from '../names.ts';
import { pageOptions } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';
import { alarmTypeOf } from '../usage-judge.ts';
import { aboutFilter, levelFilter } from './events.ts';

type Methods = Pick<
  Handlers,
  | 'alarmList'
  | 'alarmShow'
  | 'alarmAck'
  | 'alarmTest'
  | 'alarmRuleCreate'
  | 'alarmRuleList'
  | 'alarmRuleDelete'
  | 'alarmSinkCreate'
  | 'alarmSinkList'
  | 'alarmSinkDelete'
>;

/** The agent's own log: always there, never removed. */
const logName = 'log';
const mostSinks = 32;
const mostRulesOfPlan = 32;

export function alarmMethods(context: AgentContext, _desk: TaskDesk): Methods {
  const { state, clock, alarms } = context;
  const { alarms: rows, rules, sinks, deliveries } = state.alarming;

  const ruleView = (row: AlarmRuleRow): AlarmRule => ({ ...row, planName: state.plans.get(row.planId)?.name ?? '' });
  const sinkView = ({ secret, settings, ...rest }: AlarmSinkRow): AlarmSink => ({
    ...rest,
    settings: settings as AlarmSink['settings'],
    hasSecret: secret !== null,
    waiting: deliveries.count([equals('sink_id', rest.id)]),
  });
  const ownLog = (): AlarmSink => {
    const at = { createdAt: context.startedAt, updatedAt: context.startedAt };
    return { id: logName, name: logName, kind: 'log', settings: {}, level: 'info', hasSecret: false, waiting: 0, trouble: '', ...at };
  };

  return {
    alarmList({ query }) {
      const { name, ...rest } = query;
      const page = rows.page(
        pageOptions(rest, 'raised_at', [
          query.all ? undefined : isStanding,
          name === undefined ? undefined : contains('subject_name', name),
          query.subject === undefined ? undefined : aboutFilter(state, query.subject),
          query.type === undefined ? undefined : equals('type', query.type),
          query.level === undefined ? undefined : levelFilter(query.level),
        ]),
      );
      return { ...page, items: page.items.map(alarmView) };
    },
    alarmShow: ({ params }) => alarmView(rows.find(params.id)),
    alarmAck({ params }, { caller }) {
      const row = rows.find(params.id);
      if (row.clearedAt !== null) fail('USAGE', { detail: `the alarm ${row.id} is over already` });
      rows.update(row.id, { ackedAt: clock.now(), ackedBy: caller.name });
      return alarmView(rows.find(row.id));
    },
    async alarmTest({ body }) {
      const chosen = body.sink === undefined ? sinks.where([]) : [sinks.find(body.sink)];
      const items = chosen.map(async (row) => {
        const detail = await alarms.test(row);
        return { sink: row.name, taken: detail === undefined, detail: detail ?? '' };
      });
      return { items: await Promise.all(items) };
    },
    alarmRuleCreate({ body }) {
      const { plan: reference, metric, threshold, seconds, level } = body;
      const plan = state.plans.find(reference);
      if (plan.method === 'snapshot') fail('USAGE', { detail: 'snapshot plans do not support monitoring alarms' });
      const count = rules.count([equals('plan_id', plan.id)]);
      if (count >= mostRulesOfPlan) fail('QUOTA_EXCEEDED', { what: `alarm rules of the plan ${plan.name}`, count });
      const row: AlarmRuleRow = { id: newId(), planId: plan.id, metric, threshold, seconds, level, createdAt: clock.now() };
      rules.insert(row);
      return ruleView(row);
    },
    alarmRuleList({ query }) {
      const { name, plan, ...rest } = query;
      const named = { sql: 'plan_id IN (SELECT id FROM plans WHERE instr(lower(name), lower(:part)) > 0)', values: { part: name ?? '' } };
      const ofPlan = plan === undefined ? undefined : equals('plan_id', state.plans.find(plan).id);
      const page = rules.page(pageOptions(rest, 'created_at', [name === undefined ? undefined : named, ofPlan]));
      return { ...page, items: page.items.map(ruleView) };
    },
    alarmRuleDelete({ params }) {
      const row = rules.find(params.id);
      rules.remove(row.id);
      const plan = state.plans.get(row.planId);
      const others = rules.where([equals('plan_id', row.planId), equals('metric', row.metric)]);
      if (plan && others.length === 0) alarms.clear({ kind: 'plan', id: plan.id, name: plan.name }, alarmTypeOf(row.metric));
      return { id: row.id };
    },
    alarmSinkCreate({ body }) {
      const name = checkName(body.name);
      if (name === logName || sinks.where([equals('name', name)]).length > 0) fail('ALREADY_EXISTS', { what: 'alarm receiver', id: name });
      const count = sinks.count();
      if (count >= mostSinks) fail('QUOTA_EXCEEDED', { what: 'alarm receivers', count });
      const id = newId();
      const now = clock.now();
      const kept = keepSink(context, id, body.settings);
      const row: AlarmSinkRow = { id, name, ...kept, level: body.level ?? 'info', trouble: '', createdAt: now, updatedAt: now };
      state.transaction(() => {
        sinks.insert(row);
        alarms.greet(row);
      });
      return sinkView(row);
    },
    alarmSinkList({ query }) {
      const page = sinks.page(pageOptions(query, 'created_at', []));
      // The log stands before all others on the first page.
      const first = Object.keys(query).every((key) => key === 'limit');
      return { ...page, items: [...(first ? [ownLog()] : []), ...page.items.map(sinkView)], total: page.total + (first ? 1 : 0) };
    },
    alarmSinkDelete({ params }) {
      if (params.id === logName) fail('USAGE', { detail: 'the agent’s own log is always told' });
      const row = sinks.find(params.id);
      sinks.remove(row.id);
      return { id: row.id };
    },
  };
}

function alarmView({ subjectKind: kind, subjectId: id, subjectName: name, ...rest }: AlarmRow): Alarm {
  return { ...rest, subject: { kind, id, name } };
}
