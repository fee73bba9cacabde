// Extended attributes, by path (never following a link at its end) and by descriptor. POSIX ACLs are system.posix_acl_* among them.
import { bound, check, cString, errnoName, type PathBytes, systemError } from './libc-load.ts';

export interface Xattr {
  readonly name: string;
  readonly value: Uint8Array;
}

/** What is asked: a path, or an open descriptor (not one opened with O_PATH). */
type Subject = PathBytes | number;

const c = {
  llistxattr: bound('llistxattr', 'int64', ['void *', 'void *', 'size_t']),
  flistxattr: bound('flistxattr', 'int64', ['int', 'void *', 'size_t']),
  lgetxattr: bound('lgetxattr', 'int64', ['void *', 'void *', 'void *', 'size_t']),
  fgetxattr: bound('fgetxattr', 'int64', ['int', 'void *', 'void *', 'size_t']),
  lsetxattr: bound('lsetxattr', 'int', ['void *', 'void *', 'void *', 'size_t', 'int']),
  fsetxattr: bound('fsetxattr', 'int', ['int', 'void *', 'void *', 'size_t', 'int']),
  lremovexattr: bound('lremovexattr', 'int', ['void *', 'void *']),
  fremovexattr: bound('fremovexattr', 'int', ['int', 'void *']),
};

// Linux's own limit for a list and for a value (XATTR_LIST_MAX, XATTR_SIZE_MAX); no call can need more.
const memory = Buffer.alloc(65536);
const none: readonly string[] = [];
const path = (subject: Subject): PathBytes | undefined => (typeof subject === 'number' ? undefined : subject);

/** Names in the kernel's order. Throws ENOTSUP where the file system has none. */
export function listXattrs(subject: Subject): readonly string[] {
  const length =
    typeof subject === 'number' ? c.flistxattr(subject, memory, memory.length) : c.llistxattr(cString(subject), memory, memory.length);
  if (length === 0) return none;
  check(length, 'listxattr', path(subject));
  return memory.toString('utf8', 0, length - 1).split('\0');
}

/** A copy of the value; undefined where it is gone. */
export function getXattr(subject: Subject, name: string): Buffer | undefined {
  const key = cString(name, 2);
  const length =
    typeof subject === 'number'
      ? c.fgetxattr(subject, key, memory, memory.length)
      : c.lgetxattr(cString(subject), key, memory, memory.length);
  if (length >= 0) return Buffer.from(memory.subarray(0, length));
  const code = errnoName();
  if (code === 'ENODATA') return undefined;
  throw systemError(code, 'getxattr', path(subject));
}

/** Sets or replaces a value. */
export function setXattr(subject: Subject, name: string, value: Uint8Array): void {
  const key = cString(name, 2);
  // koffi passes no address for an empty array; one byte that is not looked at stands in.
  const bytes = value.length === 0 ? memory : value;
  const result =
    typeof subject === 'number'
      ? c.fsetxattr(subject, key, bytes, value.length, 0)
      : c.lsetxattr(cString(subject), key, bytes, value.length, 0);
  check(result, 'setxattr', path(subject));
}

/** Removes a value; no error where there was none. */
export function removeXattr(subject: Subject, name: string): void {
  const key = cString(name, 2);
  const result = typeof subject === 'number' ? c.fremovexattr(subject, key) : c.lremovexattr(cString(subject), key);
  if (result >= 0) return;
  const code = errnoName();
  if (code !== 'ENODATA') throw systemError(code, 'removexattr', path(subject));
}
