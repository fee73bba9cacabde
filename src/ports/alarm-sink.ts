// Where alarms are told: a log, a web hook, a mail, a command.
import type { Level, Subject } from '../model/event.ts';

export interface Alert {
  /** Names the alarm in its raise and its clear event. */
  readonly id: string;
  readonly kind: 'raise' | 'clear' | 'test';
  readonly type: string;
  readonly level: Level;
  readonly subject: Subject;
  readonly content: string;
  /** ms since the epoch: when it was raised, or cleared. */
  readonly at: number;
  readonly hostname: string;
  readonly agentId: string;
}

/**
 * The law: `tell` resolves when whoever is behind it has taken the alert, and throws ALARM_SINK (with what the other side said, never a
 * secret) when not; it gives up by itself within 30 s. Trying again, and the order, are the caller's.
 */
export interface AlarmSink {
  tell(alert: Alert, signal: AbortSignal): Promise<void>;
}
