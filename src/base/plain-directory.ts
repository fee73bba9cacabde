// Directories at paths that must not hold symbolic links: somebody looked at where the path leads, and it must still lead there.
import { errnoOf } from './errors.ts';
import { atCwd, close, mkdirAt, open, openAt } from './libc.ts';

const kind = open.directory | open.noFollow;
/** On the way nothing is read, so the right to pass is enough. */
const pass = open.path | kind;

/**
 * Opens the directory at an absolute path for reading; each part is opened in the one above it, none through a symbolic link. `make`: those that
 * are missing are made, 0700. Throws the errno; ENOTDIR where there is a link.
 */
export function openPlainDirectory(path: string, make = false): number {
  const names = path.split('/').filter(Boolean);
  let fd = openAt(atCwd, '/', names.length === 0 ? open.readOnly | kind : pass);
  for (const [i, name] of names.entries()) {
    const flags = i === names.length - 1 ? open.readOnly | kind : pass;
    try {
      const next = openIn(fd, name, flags, make);
      close(fd);
      fd = next;
    } catch (error) {
      close(fd);
      throw error;
    }
  }
  return fd;
}

function openIn(parent: number, name: string, flags: number, make: boolean): number {
  try {
    return openAt(parent, name, flags);
  } catch (error) {
    if (!make || errnoOf(error) !== 'ENOENT') throw error;
    mkdirAt(parent, name, 0o700);
    return openAt(parent, name, flags);
  }
}
