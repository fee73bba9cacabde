// Which mounted file system a path lies on. Source: Linux Documentation/filesystems/proc.rst (mountinfo).
import { type BigIntStats, lstatSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoOf, failure } from '../base/errors.ts';
import { restBelow } from '../model/place.ts';

export interface Mount {
  /** `major:minor`; for btrfs a number of its own that no device has. */
  readonly device: string;
  /** What of the file system is mounted: `/`, a subvolume, a bound directory. */
  readonly root: string;
  readonly point: string;
  readonly fileSystem: string;
  /** Mostly the device's path. */
  readonly source: string;
  /** Both this mount and the file system. */
  readonly writable: boolean;
}

export function readMounts(text = readFileSync('/proc/self/mountinfo', 'utf8')): Mount[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const fields = line.split(' ').map(plain);
      const [fileSystem, source, options] = fields.slice(fields.indexOf('-', 6) + 1);
      const writable = [fields[5], options].every((one) => one?.split(',').includes('rw'));
      return { device: fields[2]!, root: fields[3]!, point: fields[4]!, fileSystem: fileSystem!, source: source!, writable };
    });
}

/** Blanks and the like are written as octal numbers. */
const plain = (field: string): string =>
  field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** The mount that an absolute path without links lies on: the deepest, of several on one point the last. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts)
    if (restBelow(mount.point, path) !== undefined && mount.point.length >= (found?.point.length ?? 0)) found = mount;
  return found;
}

export interface Located {
  /** As it was asked for. */
  readonly path: string;
  /** The same without links on the way. A link that was asked for stays what it is. */
  readonly canonical: string;
  readonly stat: BigIntStats;
}

/** Throws SOURCE_MISSING, SOURCE_UNREADABLE. */
export function locate(path: string): Located {
  const wanted = resolve('/', path);
  try {
    const stat = lstatSync(wanted, { bigint: true });
    const canonical = stat.isSymbolicLink() ? join(realpathSync(dirname(wanted)), basename(wanted)) : realpathSync(wanted);
    return { path: wanted, canonical, stat };
  } catch (cause) {
    const code = errnoOf(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw failure('SOURCE_MISSING', { path }, { cause });
    throw failure('SOURCE_UNREADABLE', { path, detail: code ?? String(cause) }, { cause });
  }
}
