import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

const mostBytes = 64 * 1024;

/** The text of a file that rdagent's user can write, read by root: no link is followed, no pipe waited for, nothing big read. */
export async function readSmall(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const about = await file.stat();
    if (!about.isFile() || about.size > mostBytes) throw new Error(`${path} is not what it should be`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
