// The names in a directory, with as little memory as they need and without touching its access time where the kernel allows that.
import { errnoOf } from './errors.ts';
import { close, open, openAt } from './libc.ts';
import { bound, check, type PathBytes } from './libc-load.ts';

// The numbers of getdents64 (asm/unistd.h); glibc has a function for it only since 2.30.
const getdents64 = process.arch === 'arm64' ? 61 : 217;
const syscall = bound('syscall', 'int64', ['int64', 'int64', 'void *', 'size_t']);
const memory = Buffer.alloc(256 * 1024);

/**
 * Opens a directory for reading, never through a symbolic link at its end. O_NOATIME is only for the owner and root; others do without.
 */
export function openDirectory(dirfd: number, path: PathBytes): number {
  const flags = open.readOnly | open.directory | open.noFollow | open.nonBlock;
  try {
    return openAt(dirfd, path, flags | open.noAtime);
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    return openAt(dirfd, path, flags);
  }
}

/**
 * The names in the directory open as `fd`, without "." and "..", in the kernel's order. Each name's bytes are the characters of a latin1
 * string: the most compact form, and its default order is the order of the bytes. Reads on from the descriptor's offset.
 */
export function readNames(fd: number): string[] {
  const names: string[] = [];
  for (;;) {
    const length = check(syscall(getdents64, fd, memory, memory.length), 'getdents64');
    if (length === 0) return names;
    for (let at = 0; at < length; ) {
      // struct linux_dirent64: u64 inode, s64 offset, u16 record length, u8 type, the name and a NUL.
      const start = at + 19;
      const name = memory.toString('latin1', start, memory.indexOf(0, start));
      if (name !== '.' && name !== '..') names.push(name);
      at += memory.readUInt16LE(at + 16);
    }
  }
}

/** Opens, reads and closes. */
export function namesIn(dirfd: number, path: PathBytes): string[] {
  const fd = openDirectory(dirfd, path);
  try {
    return readNames(fd);
  } finally {
    close(fd);
  }
}
