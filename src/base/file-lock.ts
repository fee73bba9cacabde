// A lock of the kernel (flock): it ends with those who hold it, however they end.
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';

/**
 * Answers the descriptor that holds the lock until it is closed everywhere; undefined if others have held it for `waitSeconds`. Makes the
 * file, and follows no link. Throws system errors, ENOENT too where util-linux's flock is missing.
 */
export async function lockFile(path: string, waitSeconds = 0): Promise<number | undefined> {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
  const how = waitSeconds > 0 ? ['-w', String(waitSeconds)] : ['-n'];
  // It locks the open file, which stays ours when it has ended.
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn('flock', ['-x', ...how, '3'], { cwd: '/', stdio: ['ignore', 'ignore', 'ignore', fd] });
    child.once('error', reject);
    child.once('exit', resolve);
  }).catch((error: unknown) => {
    closeSync(fd);
    throw error;
  });
  if (code === 0) return fd;
  closeSync(fd);
  return undefined;
}
