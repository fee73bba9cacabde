// Images of file systems on logical volumes are mounted to be read: read-only, without replaying a journal, where nobody else can look.
import { lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import type { LvmHost } from './lvm-host.ts';

/** The barrier of lvcreate has flushed the journal, so there is nothing to replay; XFS would take the image for the live one by its UUID. */
const options: Readonly<Record<string, string>> = { xfs: 'nouuid,norecovery', ext4: 'noload', ext3: 'noload' };
const common = 'ro,nosuid,nodev,noexec';

/** `directory` has to be ours alone: an image shows its files with the rights they have, without the closed directories above the live ones. */
export async function mountImage(device: string, fileSystem: string, directory: string, name: string, { run }: LvmHost): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(directory);
  if (uid !== process.geteuid!() || (mode & 0o077) !== 0) throw new Error(`${directory} is open to others`);
  mkdirSync(join(directory, name), { mode: 0o700 });
  const own = options[fileSystem];
  const all = own ? `${common},${own}` : common;
  await run('mount', ['--types', fileSystem, '--options', all, '--', device, join(directory, name)]);
}

/** Nothing to do where it is not mounted, or where somebody else is quicker. */
export async function unmountImage(point: string, { run, mounts }: LvmHost): Promise<void> {
  const isMounted = () => mounts().some((mount) => mount.point === point);
  if (isMounted())
    await run('umount', ['--', point]).catch((error: unknown) => {
      if (isMounted()) throw error;
    });
  try {
    rmdirSync(point);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
