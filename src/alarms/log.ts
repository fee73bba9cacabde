// The agent's own log: always told, so that nothing is lost where nobody set up a receiver.
import type { Logger } from '../base/log.ts';
import type { AlarmSink } from '../ports/alarm-sink.ts';
import { headline } from './words.ts';

export function logSink(log: Pick<Logger, 'error' | 'warn' | 'info'>): AlarmSink {
  return {
    async tell(alert) {
      const { id: alarm, kind, type, level, subject, content } = alert;
      const write = kind !== 'raise' || level === 'info' ? 'info' : level === 'minor' ? 'warn' : 'error';
      log[write]({ alarm, kind, type, level, subject, content }, headline(alert));
    },
  };
}
