// The mysql freezer against a real MariaDB: writers wait and go on, and what it says of the frozen state is so.
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mariaBench, tables } from '../beds/maria-bench.ts';
import { seconds, within } from '../beds/sql-bench.ts';

describe('MariaDB 10.11, frozen', () => {
  const { told, quiescer, refusal, waiting, ours, waitingWrites, rows, load, server, sql, port, dir, up } = mariaBench();

  it('A1 writers of every engine wait while it is frozen and go on within 5 s of the thaw', async () => {
    const before = await rows(tables);
    const one = quiescer();
    await one.freeze(seconds(60));
    const { done } = await waitingWrites(tables);
    await one.held();
    expect(await one.thaw()).toEqual({});
    await within(5000, done);
    expect(await rows(tables)).toEqual(before.map((n) => n + 1));
    expect(await ours()).toBe(0);
    expect(await one.thaw()).toEqual({});
  });

  // SIGKILL leaves exactly what is in the files at one moment, as an atomic snapshot does.
  it.each([1, 0])('S6 what was written before is in the files, what waits is not (innodb_flush_log_at_trx_commit=%i)', async (value) => {
    await sql(`SET GLOBAL innodb_flush_log_at_trx_commit = ${value}`);
    const { written, ended } = await load(tables);
    const one = quiescer();
    await one.freeze(seconds(60));
    await expect.poll(waiting).toBe(tables.length);
    await one.held();
    const frozen = [...written];
    await server().kill();
    await ended;
    await one.thaw();
    expect(written).toEqual(frozen);
    await up();
    expect(await rows(tables)).toEqual(frozen);
    for (const table of tables) expect((await sql(`CHECK TABLE ${table}`)).at(-1)).toMatchObject({ Msg_text: 'OK' });
  });

  it('S6 the position it gives is that of the binary log, from the freeze to the thaw', async () => {
    const one = quiescer();
    await sql('INSERT INTO t.innodb VALUES (7)');
    const facts = await one.freeze(seconds(60));
    await waitingWrites(tables);
    const [status] = await sql('SHOW MASTER STATUS');
    const [gtid] = await sql('SELECT @@GLOBAL.gtid_binlog_pos AS pos');
    expect(facts).toEqual({
      server: expect.stringMatching(/^MariaDB 10\.11\./),
      method: 'BACKUP STAGE BLOCK_COMMIT',
      connection: expect.stringMatching(/^\d+$/),
      position: 'exact',
      'binary-log-file': status!['File'],
      'binary-log-position': String(status!['Position']),
      gtid: gtid!['pos'],
      'files/mysql': JSON.stringify([{ holds: 'its data', path: join(realpathSync(dir()), 'data') }]),
    });
    expect(told.join('\n')).not.toMatch(/sync_binlog/);
  });

  it('S6 a binary log that is not synced is told', async () => {
    await sql('SET GLOBAL sync_binlog = 0');
    const facts = await quiescer().freeze(seconds(60));
    await sql('SET GLOBAL sync_binlog = 1');
    expect(facts['warning']).toMatch(/^sync_binlog is 0/);
    expect(told.join('\n')).toMatch(/sync_binlog is 0/);
  });

  it('A1 it freezes over TCP, and over the socket without any password where the server knows root by it', async () => {
    const tcp = quiescer({ host: '127.0.0.1', port: String(port()) });
    await tcp.freeze(seconds(60));
    await tcp.held();
    await tcp.thaw();
    await sql('ALTER USER root@localhost IDENTIFIED VIA unix_socket');
    expect((await refusal(quiescer({ user: 'root', host: '127.0.0.1', port: String(port()) }).freeze(seconds(60)))).code).toBe(
      'DATABASE_LOGIN',
    );
    const plain = quiescer({ user: 'root', password: '' });
    await plain.freeze(seconds(60));
    await plain.held();
  });
});
