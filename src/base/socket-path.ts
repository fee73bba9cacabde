// Unix sockets in folders of any depth: the kernel takes paths of at most 108 bytes.
import { closeSync, constants, openSync } from 'node:fs';

/** Calls `use` with a path to `file` in `folder` that is never too long for a socket. Throws system errors of the folder. */
export async function withSocketPath<T>(folder: string, file: string, use: (path: string) => Promise<T>): Promise<T> {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await use(`/proc/self/fd/${fd}/${file}`);
  } finally {
    closeSync(fd);
  }
}
