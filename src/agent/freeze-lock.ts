// One freeze at a time on a host. The lock is the kernel's (flock), so that it ends with those who hold it, however they end: rdfreeze, and
// the helpers that hold file systems, which inherit it. A freeze that died is over for the next one only when its helpers have thawed.
import { closeSync, constants, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fail, failure } from '../base/errors.ts';
import { lockFile } from '../base/file-lock.ts';
import type { Layout } from '../config/layout.ts';

/** For root one of the host, in a folder that only root writes to, whatever installation freezes; AGENT_FREEZE_LOCK is for tests. */
export function lockPathOf(layout: Layout): string {
  return process.env['AGENT_FREEZE_LOCK'] || (process.getuid?.() === 0 ? '/run/stillpoint-freeze.lock' : join(layout.run, 'freeze.lock'));
}

/** Answers the descriptor that holds the lock until it is closed everywhere. Throws FREEZE_BUSY after `waitSeconds`, naming the holder. */
export async function lockHost(path: string, id: string, waitSeconds = 0): Promise<number> {
  const fd = await locked(path, waitSeconds);
  if (fd === undefined) fail('FREEZE_BUSY', { holder: holderIn(path) });
  ftruncateSync(fd);
  writeSync(fd, `${process.pid} ${id}\n`, 0);
  return fd;
}

/** Those who thaw what dead freezes left take turns. Undefined after `waitSeconds`. */
export const lockRescue = (path: string, waitSeconds: number): Promise<number | undefined> => locked(path, waitSeconds);

async function locked(path: string, waitSeconds: number): Promise<number | undefined> {
  try {
    return await lockFile(path, waitSeconds);
  } catch (error) {
    throw failure('FREEZE_FAILED', { name: 'the host', detail: `it cannot be locked: ${(error as Error).message}` }, { cause: error });
  }
}

function holderIn(path: string): string {
  const bytes = Buffer.alloc(200);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const [pid, id] = bytes
      .toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0))
      .trim()
      .split(' ');
    return pid ? `freeze ${id ?? ''} of process ${pid}` : 'it is just starting';
  } finally {
    closeSync(fd);
  }
}
