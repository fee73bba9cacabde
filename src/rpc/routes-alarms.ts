import { addresses } from './addresses.ts';
import { one, route } from './route.ts';
import * as s from './schemas-alarms.ts';
import { Removed } from './schemas-common.ts';

const trace = (name: string, resource: string) => ({ trace: { name, resource } });

export const alarmRoutes = {
  alarmList: route('alarms', addresses.alarmList, 'What is wrong now', { query: s.AlarmQuery, reply: s.AlarmList }),
  alarmShow: route('alarms', addresses.alarmShow, 'Show an alarm', { ...one, reply: s.Alarm }),
  alarmAck: route('alarms', addresses.alarmAck, 'Say that somebody looks after an alarm', {
    ...one,
    reply: s.Alarm,
    ...trace('acknowledgeAlarm', 'alarm'),
  }),
  alarmTest: route('alarms', addresses.alarmTest, 'Tell receivers a test alarm', { body: s.AlarmTest, reply: s.AlarmTested }),
  alarmRuleCreate: route('alarms', addresses.alarmRuleCreate, 'Watch a metric of a plan', {
    body: s.AlarmRuleCreate,
    reply: s.AlarmRule,
    status: 201,
    ...trace('createAlarmRule', 'alarm-rule'),
  }),
  alarmRuleList: route('alarms', addresses.alarmRuleList, 'List watched metrics', { query: s.AlarmRuleQuery, reply: s.AlarmRuleList }),
  alarmRuleDelete: route('alarms', addresses.alarmRuleDelete, 'Watch a metric no longer', {
    ...one,
    reply: Removed,
    ...trace('deleteAlarmRule', 'alarm-rule'),
  }),
  alarmSinkCreate: route('alarms', addresses.alarmSinkCreate, 'Add a receiver of alarms', {
    body: s.AlarmSinkCreate,
    reply: s.AlarmSink,
    status: 201,
    ...trace('createAlarmSink', 'alarm-sink'),
  }),
  alarmSinkList: route('alarms', addresses.alarmSinkList, 'List receivers of alarms', { query: s.AlarmSinkQuery, reply: s.AlarmSinkList }),
  alarmSinkDelete: route('alarms', addresses.alarmSinkDelete, 'Remove a receiver of alarms', {
    ...one,
    reply: Removed,
    ...trace('deleteAlarmSink', 'alarm-sink'),
  }),
} as const;
