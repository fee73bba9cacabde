// A file system that a dead freeze may have left frozen.
import { fail } from '../../base/errors.ts';
import type { Quiescer } from '../../ports/quiescer.ts';
import { thawOnce } from './guard.ts';
import { readHost } from './host.ts';

const attemptMs = 1500;

/** `device`: as its mount had it. Where it is mounted nowhere any more there is nothing to thaw. */
export function leftFrozen(point: string, device: string): Pick<Quiescer, 'name' | 'thaw'> {
  const name = `file system ${point}`;
  return {
    name,
    async thaw() {
      const mount = readHost().mounts.findLast((one) => one.device === device);
      const answer = mount ? await thawOnce(mount.point, attemptMs) : true;
      if (answer !== true) fail('FREEZE_THAW_FAILED', { name, detail: answer });
      return {};
    },
  };
}
