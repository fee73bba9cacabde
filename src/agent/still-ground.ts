// What a backup's source lies on, and the freezer: what engine/still-point.ts works with, made of the real adapters.
import { diskFacts, mountsOf } from '../base/block-device.ts';
import { asStillpointError, failure, type Problem } from '../base/errors.ts';
import { type MountBelow, mountPointsBelow } from '../base/mounts.ts';
import type { GroundSpec } from '../engine/deps.ts';
import type { Frozen, Ground } from '../engine/still-point.ts';
import type { SourceSettings } from '../model/plan.ts';
import type { Snapshot, SnapshotPlan } from '../ports/snapshot.ts';
import type { Warn } from '../ports/source.ts';
import { chooseSnapshot } from '../snapshots/choose.ts';
import { locate, mountOf, readMounts } from '../snapshots/mounts.ts';
import { snapshotName, taskOf } from '../snapshots/names.ts';
import { type FreezerSettings, startFreeze } from './freezer.ts';
import type { TaskHost } from './task-host.ts';
import { beginLife, forgetDead, isAlive } from './task-life.ts';
import { allSnapshots, snapshots } from './wiring.ts';

type Host = Pick<TaskHost, 'images' | 'tasks' | 'mark'>;

/** Throws SOURCE_MISSING, and what else is wrong with the paths. What dead tasks left behind is removed first. */
export async function groundOf({ source: settings, task }: GroundSpec, host: Host, warn: Warn): Promise<Ground> {
  await sweepImages(host, warn);
  if (settings.kind === 'command') return { live: 'none', ...noImage(nothingToImage) };
  const writer = settings.kind === 'disk' ? writerOf(settings.paths) : undefined;
  const live = settings.kind === 'files' ? 'file' : writer ? 'none' : 'crash';
  const written = writer && { writer };
  const choice = await chooseSnapshot(await snapshots[settings.kind](host.images), settings.paths);
  if ('problem' in choice) return { live, ...written, ...noImage(choice.problem.toProblem()) };
  const { plan } = choice;
  const apart = plan.apart ?? readLive(settings, plan);
  return { live, ...written, ...(apart !== undefined && { apart }), take: () => takeAlive(plan, task, host) };
}

/** Nobody sweeps the images of a task that lives. */
async function takeAlive(plan: SnapshotPlan, task: string, { tasks, mark }: Host): Promise<Snapshot> {
  const end = beginLife(tasks, task);
  try {
    const snapshot = await plan.take(snapshotName(mark, task));
    return { ...snapshot, remove: () => snapshot.remove().finally(end) };
  } catch (error) {
    end();
    throw error;
  }
}

/** Other file systems below the paths are read as they are. Those that hold no data of anybody's do not count. */
function readLive(settings: SourceSettings, plan: SnapshotPlan): string | undefined {
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
function isImaged({ point, device }: MountBelow, paths: readonly string[], { volumes }: SnapshotPlan): boolean {
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

const nothingToImage = failure('SNAPSHOT_NO_PROVIDER', {
  path: 'the output of a command',
  detail: 'there is nothing to image',
}).toProblem();

function noImage(none: Problem): Pick<Ground, 'none' | 'take'> {
  return {
    none,
    take: async () => {
      throw new Error('a ground without an image was asked for one');
    },
  };
}

/** The first of the disks that is written to while it is read. */
function writerOf(paths: readonly string[]): Ground['writer'] {
  for (const path of paths) {
    const facts = diskFacts(path);
    if (facts === undefined || facts.kind === 'other') continue; // the source says what is wrong with it
    const mount = mountsOf(path, facts).find(({ writable }) => writable);
    if (mount) return { path, mount: mount.point };
  }
  return undefined;
}

/** What cannot be removed now is come back to with the next task. Images of other installations are none of ours. */
async function sweepImages({ images, tasks, mark }: Host, warn: Warn): Promise<void> {
  const has = (name: string) => {
    const task = taskOf(mark, name);
    return task === undefined || isAlive(tasks, task);
  };
  const tell = (error: unknown) => warn({ item: 'snapshot', detail: asStillpointError(error).message });
  for (const provider of await allSnapshots(images)) await provider.sweep({ has }).catch(tell);
  try {
    forgetDead(tasks);
  } catch (error) {
    tell(error);
  }
}

/** Freezes the applications of this host. Throws FREEZE_…, SCRIPT_…, DATABASE_…; nothing is frozen then. */
export async function freezeApplications({ task, consistency, freezesPerHour }: GroundSpec, settings: FreezerSettings): Promise<Frozen> {
  const limitMs = consistency.freezeLimit * 1000;
  const frozen = await startFreeze({ id: task, applications: true, fileSystems: [], limitMs, perHour: freezesPerHour }, settings);
  return {
    names: frozen.names,
    prove: () =>
      frozen.prove().then(
        () => undefined,
        (error: unknown) => asStillpointError(error).toProblem(),
      ),
    thaw: () => frozen.thaw(),
  };
}
