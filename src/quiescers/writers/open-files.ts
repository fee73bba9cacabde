// What a process has open for writing, on mounts of whatever namespace: a container's files are files of the host, too.
import { readdirSync, readFileSync, readlinkSync, type Stats, statfsSync, statSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { type Host, type Mount, parseMounts } from '../file-systems/host.ts';
import { withFiles } from './process.ts';
import { isFile, mountOf, numberOf, type Target } from './target.ts';

/** Mounts by their id, which is unique on the host. */
export interface MountTable {
  /** Reads those that a process sees; its folder in /proc. */
  learn(own: string): void;
  get(id: string): Pick<Mount, 'device' | 'type'> | undefined;
  /** Layers of containers that lie on the target, by their device. */
  readonly layers: ReadonlySet<string>;
}

export function mountTable(target: Target, host: Host): MountTable {
  const known = new Map<string, Mount>();
  const views = new Set<string>();
  const layers = new Set<string>();
  return {
    layers,
    get: (id) => known.get(id),
    learn(own) {
      // Of one namespace, processes with roots of their own see different parts.
      const view = `${readlinkSync(`${own}/ns/mnt`)} ${readlinkSync(`${own}/root`)}`;
      if (views.has(view)) return;
      views.add(view);
      for (const mount of parseMounts(readFileSync(`${own}/mountinfo`, 'utf8'))) {
        known.set(String(mount.id), mount);
        if (mount.type === 'overlay' && liesOn(upperOf(mount), target, host)) layers.add(mount.device);
      }
    },
  };
}

const upperOf = ({ options }: Mount): string => options.find((one) => one.startsWith('upperdir='))?.slice('upperdir='.length) ?? '';

const liesOn = (path: string, { devices }: Target, host: Host): boolean => devices.has(mountOf(path, host)?.device ?? '');

/** Throws what the kernel says where the process may not be looked into; the end of the process is an answer. */
export function writesTo(pid: number, target: Target, mounts: MountTable): boolean {
  const own = withFiles(pid);
  return seen(() => readdirSync(`${own}/fdinfo`), []).some((fd) => {
    const info = seen(() => readFileSync(`${own}/fdinfo/${fd}`, 'latin1'), '');
    const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(info)?.[1] ?? '0', 8);
    // O_WRONLY, O_RDWR. The third is what some drivers give out for ioctl alone.
    return ((flags & 3) === 1 || (flags & 3) === 2) && isOn(own, fd, info, target, mounts);
  });
}

const mountIdIn = (info: string): string => /^mnt_id:\s*(\d+)/m.exec(info)?.[1] ?? '';

/** On these a look at a file may wait for somebody else for ever. */
const remote = /^(nfs4?|cifs|smb3|ceph|9p|afs|lustre|glusterfs|ocfs2|gfs2|fuse.*|autofs)$/;

function isOn(own: string, fd: string, info: string, target: Target, mounts: MountTable): boolean {
  const link = `${own}/fd/${fd}`;
  const id = mountIdIn(info);
  if (mounts.get(id) === undefined) seen(() => mounts.learn(own), undefined);
  const mount = mounts.get(id);
  if (mount && (target.devices.has(mount.device) || mounts.layers.has(mount.device))) return true;
  if (mount && remote.test(mount.type)) return false;
  // Sockets, pipes and memory have no path; what has one on no mount that can be seen was unmounted lazily.
  if (!mount && !/^\/(?!memfd:|SYSV|dev\/zero|\[)/.test(seen(() => readlinkSync(link), ''))) return false;
  if (mount && target.blocks.size === 0 && !target.files.has(mount.device)) return false;
  const stat = seen<Stats | undefined>(() => statSync(link), undefined);
  if (stat === undefined) return false;
  if (stat.isBlockDevice()) return target.blocks.has(numberOf(stat.rdev));
  if (!stat.isFile()) return false;
  if (mount) return isFile(stat, target.files.get(mount.device));
  return target.devices.has(numberOf(stat.dev)) || isFile(stat, target.files.get(numberOf(stat.dev))) || (target.btrfs && isBtrfs(link));
}

const btrfsMagic = 0x9123683e;
const isBtrfs = (link: string): boolean => seen(() => statfsSync(link).type, 0) === btrfsMagic;

/** Who ended meanwhile, or closed it, writes no more. */
function seen<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return otherwise;
    throw error;
  }
}
