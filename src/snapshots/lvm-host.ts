// What the LVM provider asks the host; tests give their own.
import { existsSync, readFileSync } from 'node:fs';
import { diskFacts } from '../base/block-device.ts';
import { type Mount, readMounts } from './mounts.ts';
import { type Run, runProgram } from './run.ts';

export interface LvmHost {
  readonly run: Run;
  mounts(): readonly Mount[];
  /** `major:minor` of a block device, links followed; undefined for anything else. */
  blockNumber(path: string): string | undefined;
  /** Whether the device of this number is a logical volume of LVM. */
  isLogical(number: string): boolean;
  /** Whether there can be any on this host that whoever runs us may ask for: LVM answers root only. */
  hasLvm(): boolean;
}

export const thisHost: LvmHost = {
  run: runProgram,
  mounts: () => readMounts(),
  blockNumber(path) {
    const facts = diskFacts(path);
    return facts?.kind === 'device' ? facts.number : undefined;
  },
  isLogical(number) {
    const uuid = `/sys/dev/block/${number}/dm/uuid`;
    return existsSync(uuid) && readFileSync(uuid, 'latin1').startsWith('LVM-');
  },
  hasLvm: () =>
    process.geteuid?.() === 0 &&
    readFileSync('/proc/devices', 'latin1').includes('device-mapper') &&
    ['/usr/sbin/lvs', '/sbin/lvs'].some((path) => existsSync(path)),
};
