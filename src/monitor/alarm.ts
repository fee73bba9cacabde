// The one place where rdmonitor raises alarms. Until there are sinks for them, they are lines of its log that say so.
import type { MonitorLog } from './log.ts';

export interface Alarm {
  readonly alarm: 'RESTARTS' | 'MAYBE_FROZEN' | 'CANNOT_END';
  readonly process: string;
  readonly text: string;
}

export function raise(log: MonitorLog, { text, ...about }: Alarm): void {
  log.error(`ALARM: ${text}`, about);
}
