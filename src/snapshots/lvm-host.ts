// What the LVM provider asks the host; tests give their own.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
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
  /** Whether there is any on this host that whoever runs us may ask for: LVM answers root only. Starts no program. */
  hasLvm(): boolean;
}

export const thisHost: LvmHost = {
  run: runProgram,
  mounts: () => readMounts(),
  blockNumber(path) {
    const facts = diskFacts(path);
    return facts?.kind === 'device' ? facts.number : undefined;
  },
  isLogical: (number) => isOfLvm(`/sys/dev/block/${number}`),
  hasLvm: () =>
    process.geteuid?.() === 0 &&
    readdirSync('/sys/block').some((name) => name.startsWith('dm-') && isOfLvm(`/sys/block/${name}`)) &&
    ['/usr/sbin/lvs', '/sbin/lvs'].some((path) => existsSync(path)),
};

function isOfLvm(device: string): boolean {
  const uuid = `${device}/dm/uuid`;
  return existsSync(uuid) && readFileSync(uuid, 'latin1').startsWith('LVM-');
}
