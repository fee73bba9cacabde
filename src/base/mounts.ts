// Where other file systems are mounted below a path: an image of it has something else there. Source: Linux
// Documentation/filesystems/proc.rst (mountinfo).
import { lstatSync, readFileSync, realpathSync } from 'node:fs';

export interface MountBelow {
  /** Without links on the way. */
  readonly point: string;
  /** As seen from the path: `/srv/data/x` also where `/srv` is a link. */
  readonly seen: string;
  readonly fileSystem: string;
  /** `major:minor`; for btrfs a number that no device has. */
  readonly device: string;
}

/** In the order in which they were mounted. A path that does not exist, or is a link itself, has none. */
export function mountPointsBelow(path: string): readonly MountBelow[] {
  const asked = lstatSync(path, { throwIfNoEntry: false });
  if (!asked || asked.isSymbolicLink()) return [];
  const [real, live] = [realpathSync(path), path].map((one) => (one === '/' ? '' : one)) as [string, string];
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const fields = line.split(' ');
      const point = plain(fields[4]!);
      if (!point.startsWith(`${real}/`) || point === '/') return [];
      const fileSystem = fields[fields.indexOf('-', 6) + 1]!;
      return [{ point, seen: live + point.slice(real.length), fileSystem, device: fields[2]! }];
    });
}

/** Blanks and the like are written as octal numbers. */
const plain = (field: string): string =>
  field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
