// The mysql freezer against a real MariaDB: nothing that happens to anybody leaves it frozen, and a freeze that was lost is known.
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/system-clock.ts';
import { mariaBench, tables } from '../beds/maria-bench.ts';
import { hang, seconds, within } from '../beds/sql-bench.ts';

describe('MariaDB 10.11, when a freeze ends otherwise', () => {
  const { told, quiescer, refusal, ours, waitingWrites, freezingProcess, server, sql, up } = mariaBench();

  it('A3 SIGKILL of the freezing process thaws at once', async () => {
    const child = await freezingProcess(600);
    const { done } = await waitingWrites(tables);
    child.kill('SIGKILL');
    await within(5000, done);
  });

  it('A3 the server lets go by itself when the freezing process hangs beyond the limit', async () => {
    const child = await freezingProcess(4);
    const { done } = await waitingWrites(tables);
    child.kill('SIGSTOP');
    await within(4000 + 5000, done);
  });

  it('A2 a holder killed from outside is a lost freeze', async () => {
    const one = quiescer();
    const { connection } = await one.freeze(seconds(60));
    await one.held();
    await sql(`KILL ${connection}`);
    await expect.poll(ours).toBe(1);
    const error = await refusal(one.held());
    expect(error).toMatchObject({ code: 'FREEZE_LOST', message: expect.stringContaining(`connection ${connection}, which held it`) });
    await one.thaw();
    expect(told.join('\n')).toContain(`connection ${connection}, which held the freeze, had ended`);
    await one.freeze(seconds(60));
    await one.held();
  });

  it('A2 a watcher killed from outside proves nothing any more, and the thaw works all the same', async () => {
    const one = quiescer();
    const { connection } = await one.freeze(seconds(60));
    const watcher = (await sql('SHOW PROCESSLIST')).find((row) => row['User'] === 'stillpoint' && String(row['Id']) !== connection);
    await sql(`KILL ${watcher!['Id']}`);
    await expect.poll(ours).toBe(1);
    expect((await refusal(one.held())).code).toBe('FREEZE_LOST');
    await one.thaw();
    await expect.poll(ours).toBe(0);
    await sql('INSERT INTO t.innodb VALUES (1)');
  });

  it('A2 a deadline that has passed by 100 ms is a lost freeze', async () => {
    const one = quiescer();
    const limit = seconds(2);
    await one.freeze(limit);
    await pause(limit.deadline + 100 - systemClock.boottime());
    expect((await refusal(one.held())).code).toBe('FREEZE_LOST');
  });

  it('A3 a server that died while frozen is thawed; before, it is a lost freeze', async () => {
    const one = quiescer();
    await one.freeze(seconds(60));
    await server().kill();
    expect((await refusal(one.held())).code).toBe('FREEZE_LOST');
    await one.thaw();
    await up();
    await one.freeze(seconds(60));
    await one.held();
  });

  it('A3 a thaw of a server that hangs fails, and works when it is tried again', async () => {
    const one = quiescer();
    await one.freeze(seconds(60));
    await hang(server().pid);
    try {
      expect((await refusal(one.thaw())).code).toBe('FREEZE_THAW_FAILED');
    } finally {
      process.kill(server().pid, 'SIGCONT');
    }
    await one.thaw();
    await sql('INSERT INTO t.innodb VALUES (1)');
    expect(await ours()).toBe(0);
  });
});
