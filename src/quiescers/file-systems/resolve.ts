// Which file systems stand behind the mount points that are to be frozen, in which order, and which must not be frozen at all.
import { statSync } from 'node:fs';
import { resolve as absolute } from 'node:path';
import { fail } from '../../base/errors.ts';
import { type Host, type Mount, readHost } from './host.ts';

/** Frozen, these stop the host or the agent itself: a thaw needs programs, sockets and a place to say so. */
const hostPaths = ['/', '/usr', '/bin', '/lib', '/etc', '/run', '/var/log', '/var/log/journal', '/run/log/journal'];

/** Local ones that the kernel can freeze and that are no cluster's. */
const freezable = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'f2fs', 'jfs', 'nilfs2', 'bcachefs']);
const network = /^(nfs4?|cifs|smb3|ceph|9p|afs|lustre|glusterfs|ocfs2|gfs2|fuse\..*)$/;

/**
 * One mount for each file system behind `points`, children first: what lies in a file of another stands before that one.
 * `own`: paths whose file systems the agent needs. Throws FREEZE_REFUSED with the reason; touches none of the file systems.
 */
export function resolveFileSystems(points: readonly string[], own: readonly string[], host: Host = readHost()): readonly Mount[] {
  const carriers = carriersOf(host);
  const needed = neededOf([...hostPaths, ...own], host, carriers);
  const asked = new Map<string, Mount>();
  for (const point of points) {
    const mount = mountAt(point, host);
    const reason = refusal(mount, host, needed);
    if (reason) fail('FREEZE_REFUSED', { name: `file system ${point}`, detail: reason });
    if (!asked.has(mount.device)) asked.set(mount.device, mount);
  }
  refuseForgottenChildren(asked, host, carriers);
  return childrenFirst([...asked.values()], host, carriers);
}

function mountAt(point: string, host: Host): Mount {
  const mount = host.mounts.findLast((one) => one.point === absolute(point));
  return mount ?? fail('FREEZE_REFUSED', { name: `file system ${point}`, detail: 'nothing is mounted there' });
}

function refusal(mount: Mount, host: Host, needed: ReadonlyMap<string, string>): string | undefined {
  const { type, device, root, options } = mount;
  const why = needed.get(device);
  if (why) return why;
  if (network.test(type)) return `${type} is a network file system; its server would have to freeze it`;
  if (type === 'overlay') return 'it is an overlay; freeze the file system that holds its upper directory';
  if (!freezable.has(type)) return `${type} cannot be frozen`;
  if (options.includes('ro')) return 'it is mounted read-only, nothing changes there';
  if (root !== '/' && type !== 'btrfs') {
    const whole = host.mounts.find((one) => one.device === device && one.root === '/');
    return `it is a folder of another file system, bound here${whole ? `; name that one: ${whole.point}` : ''}`;
  }
  return undefined;
}

/** Of a file system (by device) those that it lies on, all the way down. */
type Carriers = (device: string) => ReadonlySet<string>;

function carriersOf(host: Host): Carriers {
  const known = new Map<string, Set<string>>();
  return function carriers(device) {
    const before = known.get(device);
    if (before) return before;
    const all = new Set<string>();
    known.set(device, all);
    const mount = host.mounts.find((one) => one.device === device);
    for (const path of mount ? placesBelow(mount, host) : []) {
      const carrier = mountOf(path, host)?.device;
      if (carrier === undefined || carrier === device) continue;
      for (const one of [carrier, ...carriers(carrier)]) all.add(one);
    }
    return all;
  };
}

/** Files and folders that a file system is made of. */
function placesBelow(mount: Mount, host: Host): readonly string[] {
  if (mount.type !== 'overlay') return host.devicesOf(mount).flatMap((device) => host.backingFiles(device));
  const folders = mount.options.filter((option) => /^(lowerdir|upperdir|workdir)=/.test(option));
  return folders.flatMap((option) => option.slice(option.indexOf('=') + 1).split(':'));
}

/** The mount that a path lies on. */
function mountOf(path: string, host: Host): Mount | undefined {
  const above = host.mounts.filter(({ point }) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`));
  return above.reduce<Mount | undefined>((best, one) => (best && best.point.length > one.point.length ? best : one), undefined);
}

/** File systems that must go on, with the reason. */
function neededOf(paths: readonly string[], host: Host, carriers: Carriers): ReadonlyMap<string, string> {
  const needed = new Map<string, string>();
  const need = (path: string, what: string) => {
    const device = mountOf(path, host)?.device;
    if (device === undefined) return;
    if (!needed.has(device)) needed.set(device, `it holds ${what}`);
    for (const below of carriers(device)) if (!needed.has(below)) needed.set(below, `what holds ${what} lies on it`);
  };
  for (const path of paths) need(path, path);
  for (const swap of host.swaps) {
    const number = deviceNumberOf(swap);
    const files = number === undefined ? [swap] : host.backingFiles(number);
    for (const file of files) need(file, `swap (${swap})`);
  }
  return needed;
}

function deviceNumberOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isBlockDevice()) return undefined;
  return `${(stat.rdev >> 8) & 0xfff}:${(stat.rdev & 0xff) | ((stat.rdev >> 12) & 0xfff00)}`;
}

/** Who lies on a frozen file system waits for it in the kernel: it is frozen before it, or its writers hang where nobody looks for them. */
function refuseForgottenChildren(asked: ReadonlyMap<string, Mount>, host: Host, carriers: Carriers): void {
  for (const child of host.mounts) {
    if (asked.has(child.device)) continue;
    const parent = [...carriers(child.device)].find((device) => asked.has(device));
    if (parent === undefined || child.options.includes('ro')) continue;
    const detail = `${child.point} lies on it and would hang with it; freeze both, or neither`;
    fail('FREEZE_REFUSED', { name: `file system ${asked.get(parent)!.point}`, detail });
  }
}

/** What lies on most of the others first; besides, what was mounted last first. */
function childrenFirst(mounts: readonly Mount[], host: Host, carriers: Carriers): readonly Mount[] {
  const depth = ({ device }: Mount) => [...carriers(device)].filter((carrier) => mounts.some((one) => one.device === carrier)).length;
  const age = (mount: Mount) => host.mounts.indexOf(mount);
  return mounts.toSorted((a, b) => depth(b) - depth(a) || age(b) - age(a));
}
