// What is mounted where a backup reads: what its image leaves out, and what lies in it.
import { diskFacts, mountsOf } from '../base/block-device.ts';
import { type MountBelow, mountPointsBelow } from '../base/mounts.ts';
import type { ReadSource } from '../model/plan.ts';
import type { SnapshotPlan } from '../ports/snapshot.ts';
import { locate, mountOf, readMounts } from '../snapshots/mounts.ts';

/** Whether a path of this host (links followed) is in what is read. Patterns that leave things out are not looked at. */
export function coveredBy(settings: ReadSource): (path: string) => boolean {
  const mounts = readMounts();
  const volumeOf = (path: string) => mountOf(path, mounts)?.point;
  if (!('paths' in settings)) return () => false;
  if (settings.kind === 'disk') {
    const points = new Set(settings.paths.flatMap(mountedFrom));
    return (path) => points.has(volumeOf(path) ?? '');
  }
  const { oneFileSystem, paths } = settings;
  const roots = paths.map((path) => locate(path).canonical);
  const lies = (path: string, root: string) => path === root || path.startsWith(root === '/' ? '/' : `${root}/`);
  return (path) => roots.some((root) => lies(path, root) && (!oneFileSystem || volumeOf(path) === volumeOf(root)));
}

function mountedFrom(disk: string): readonly string[] {
  const facts = diskFacts(disk);
  return facts && facts.kind !== 'other' ? mountsOf(disk, facts).map(({ point }) => point) : [];
}

/** Other file systems below the paths are read as they are. Those that hold no data of anybody's do not count. */
export function readLive(settings: ReadSource, plan: Pick<SnapshotPlan, 'volumes'>): string | undefined {
  if (settings.kind !== 'files' || settings.oneFileSystem) return undefined;
  const below = settings.paths.flatMap((path) =>
    mountPointsBelow(path).filter(
      (mount) =>
        !kernels.has(mount.fileSystem) && !(path === '/' && mount.fileSystem === 'tmpfs') && !isImaged(mount, settings.paths, plan),
    ),
  );
  const points = [...new Set(below.map(({ seen }) => seen))];
  return points.length === 0 ? undefined : `what is mounted on ${points.join(' and ')} is not in the snapshot`;
}

/** As a volume of its own, or as the device of one, mounted where something was asked for. */
function isImaged({ point, device }: MountBelow, paths: readonly string[], { volumes }: Pick<SnapshotPlan, 'volumes'>): boolean {
  if (volumes.includes(point)) return true;
  const mounts = readMounts();
  if (!paths.some((path) => mountOf(locate(path).canonical, mounts)?.point === point)) return false;
  return volumes.some((volume) => {
    const facts = diskFacts(volume);
    return facts?.kind === 'device' && facts.number === device;
  });
}

/** File systems that the kernel makes up. */
const kernels: ReadonlySet<string> = new Set([
  'proc',
  'sysfs',
  'devtmpfs',
  'devpts',
  'cgroup',
  'cgroup2',
  'mqueue',
  'debugfs',
  'tracefs',
  'securityfs',
  'pstore',
  'bpf',
  'hugetlbfs',
  'fusectl',
  'configfs',
  'efivarfs',
  'autofs',
  'binfmt_misc',
  'rpc_pipefs',
  'nsfs',
]);
