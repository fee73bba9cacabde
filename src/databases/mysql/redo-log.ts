// With innodb_flush_log_at_trx_commit=0 InnoDB keeps what was committed within the last second in memory only, while MyISAM, Aria and the binary
// log have theirs in files: an image taken now would not be one point in time.
import { setTimeout as pause } from 'node:timers/promises';
import { fail } from '../../base/errors.ts';
import { label, type Server } from './server.ts';
import type { Ask } from './session.ts';

const nextLook = 10;

/** Call while commits wait. Throws DATABASE_FAILED when the redo log is not in its file after `seconds`. */
export async function settleRedoLog(ask: Ask, server: Server, seconds: number): Promise<void> {
  if (server.flushAtCommit !== 0) return;
  // MariaDB takes the statement and does nothing with this setting; its InnoDB writes the log by itself, once a second.
  if (server.kind === 'MySQL') await ask('FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS');
  else await waitForLog(ask, server, seconds);
}

async function waitForLog(ask: Ask, server: Server, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  const wanted = (await logNumbers(ask)).written;
  for (;;) {
    if ((await logNumbers(ask)).onDisk >= wanted) return;
    if (performance.now() > end) {
      const detail = `innodb_flush_log_at_trx_commit is 0 and the log was not written within ${seconds} s`;
      fail('DATABASE_FAILED', { database: label(server), what: 'bring its redo log to disk', detail });
    }
    await pause(nextLook);
  }
}

async function logNumbers(ask: Ask): Promise<{ readonly written: number; readonly onDisk: number }> {
  const text = String((await ask('SHOW ENGINE INNODB STATUS'))[0]?.['Status']);
  const number = (name: string) => Number(new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(text)?.[1]);
  return { written: number('Log sequence number'), onDisk: number('Log flushed up to') };
}
