// What every receiver of alarms must do (src/ports/alarm-sink.ts). An adapter's test calls this with something real behind it.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AlarmSink, Alert } from '../../src/ports/alarm-sink.ts';

export interface AlarmSinkCase {
  readonly sink: AlarmSink;
  /** What whoever is behind it was told: the alert's content stands somewhere in each. */
  told(): readonly string[];
  /** From now on it refuses, and says the secret back if it knows one. */
  refuse(): void;
  /** From now on it takes the connection and says nothing. */
  hang(): void;
  /** Must never be in an error. */
  readonly secret?: string;
  remove(): Promise<void>;
}

export const alertOf = (change: Partial<Alert> = {}): Alert => ({
  id: 'a1',
  kind: 'raise',
  type: 'BACKUP_FAILED',
  level: 'major',
  subject: { kind: 'plan', id: 'p1', name: 'shop' },
  content: 'nightly failed: the disk is full',
  at: Date.UTC(2026, 2, 1, 12),
  hostname: 'db1',
  agentId: 'g1',
  ...change,
});

export function alarmSinkContract(name: string, prepare: () => Promise<AlarmSinkCase>): void {
  let one: AlarmSinkCase;
  const never = new AbortController().signal;
  beforeEach(async () => {
    one = await prepare();
  });
  afterEach(() => one.remove());

  it(`M2 ${name}: what was told is there when tell resolves, one for each`, async () => {
    await one.sink.tell(alertOf(), never);
    expect(one.told()).toHaveLength(1);
    await one.sink.tell(alertOf({ kind: 'clear', content: 'it is "over" \r\n.\r\nBcc: x@example.org $(touch /tmp/x)' }), never);
    expect(one.told()).toHaveLength(2);
    expect(one.told()[0]).toContain('the disk is full');
    expect(one.told()[1]).toContain('is "over"'.replaceAll('"', one.told()[1]!.includes('\\"') ? '\\"' : '"'));
  });

  it(`M2 ${name}: a refusal is an error with what was said, and without the secret`, async () => {
    one.refuse();
    const error = await one.sink.tell(alertOf(), never).then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({ code: 'ALARM_SINK' });
    expect(error!.message).toMatch(/no thanks/);
    if (one.secret) expect(error!.message).not.toContain(one.secret);
  });

  it(`M2 ${name}: is called off while it waits`, async () => {
    one.hang();
    const stop = new AbortController();
    const telling = one.sink.tell(alertOf(), stop.signal);
    setTimeout(() => stop.abort(), 100);
    await expect(telling).rejects.toMatchObject({ code: 'ALARM_SINK' });
  });
}
