// Files that share their blocks with a copy (XFS with reflinks, btrfs). The kernel holds writers off while it makes one, so each file is of one
// instant; over a file system frozen from outside the copy would hang until the thaw, which is why `cp` makes it and not this process.
import { type BigIntStats, closeSync, lstatSync, openSync, rmSync } from 'node:fs';
import { failure } from '../base/errors.ts';
import type { Planned } from '../model/place.ts';
import type { Snapshot, SnapshotPlan, SnapshotProvider } from '../ports/snapshot.ts';
import { findHidden, type Hidden, leftoversIn, makeHidden } from './hidden.ts';
import { type Located, locate, type Mount, mountOf, readMounts } from './mounts.ts';
import { assertName, pieceName } from './names.ts';
import { type Run, runProgram } from './run.ts';
import { eachOf, notRemoved, notTaken } from './trouble.ts';

interface Original extends Located {
  readonly top: string;
  /** Its blocks are written in place (btrfs, chattr +C): a copy shares them only if it is of that kind, too. */
  readonly inPlace: boolean;
}

interface Copy {
  readonly path: string;
  readonly original: Original;
  readonly stat?: BigIntStats;
}

const fileSystems: ReadonlySet<string> = new Set(['xfs', 'btrfs']);

export function reflinkProvider({ run = runProgram }: { readonly run?: Run } = {}): SnapshotProvider {
  return {
    name: 'reflink',
    freezes: 'self',

    async plan(paths) {
      const mounts = readMounts();
      const planned: Planned[] = [];
      const originals = new Map<string, Original>();
      for (const path of paths) {
        const located = locate(path);
        const mount = mountOf(located.canonical, mounts);
        // A link that was asked for is the thing itself; a mounted file has no directory beside it.
        if (!mount || !located.stat.isFile() || mount.point === located.canonical || !(await canShare(mount, run))) return undefined;
        if (!mount.writable) throw failure('SNAPSHOT_NO_PROVIDER', { path, detail: 'its file system is mounted read-only' });
        const inPlace = mount.fileSystem === 'btrfs' && (await writtenInPlace(located.canonical, run));
        planned.push({ path: located.path, canonical: located.canonical });
        if (!originals.has(located.canonical)) originals.set(located.canonical, { ...located, top: mount.point, inPlace });
      }
      return planOf(planned, [...originals.values()], run);
    },

    async sweep(alive) {
      const removed = new Set<string>();
      const tops = new Set(readMounts().flatMap((mount) => (fileSystems.has(mount.fileSystem) && mount.writable ? [mount.point] : [])));
      await eachOf(tops, async (top) => {
        const hidden = findHidden(top);
        if (!hidden) return;
        try {
          await eachOf(leftoversIn(hidden, alive), ({ entry, owner }) => {
            const path = `${hidden.path}/${entry}`;
            if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return;
            removeCopy(path, owner);
            removed.add(owner);
          });
        } finally {
          hidden.close();
        }
      });
      return [...removed];
    },
  };
}

/** btrfs always can; an XFS can if it was made so. */
async function canShare({ fileSystem, point }: Mount, run: Run): Promise<boolean> {
  if (fileSystem !== 'xfs') return fileSystems.has(fileSystem);
  const told = await run('xfs_info', [point]).catch((error: unknown) => {
    throw notTaken(point, error);
  });
  return /\breflink=1\b/.test(told);
}

async function writtenInPlace(path: string, run: Run): Promise<boolean> {
  const told = await run('lsattr', ['-d', '--', path]).catch((error: unknown) => {
    throw notTaken(path, error);
  });
  return told.split(' ')[0]!.includes('C');
}

function planOf(planned: readonly Planned[], originals: readonly Original[], run: Run): SnapshotPlan {
  return {
    provider: 'reflink',
    freezes: 'self',
    volumes: originals.map(({ canonical }) => canonical),
    ...(originals.length > 1 ? { apart: `its ${originals.length} files are copied one after the other` } : {}),

    async take(name) {
      assertName(name);
      const hidden = new Map<string, Hidden>();
      const copies: Copy[] = [];
      const close = () => {
        for (const one of hidden.values()) one.close();
      };
      const remove = () => eachOf(copies, ({ path }) => removeCopy(path, name)).then(close);
      let at = originals[0]!.path;
      try {
        // All that can be is done first: the copies are to be as close to each other as can be.
        for (const [number, original] of originals.entries()) {
          at = original.path;
          if (!hidden.has(original.top)) hidden.set(original.top, makeHidden(original.top));
          const path = `${hidden.get(original.top)!.path}/${pieceName(name, number)}`;
          closeSync(openSync(path, 'wx', 0o600));
          copies.push({ path, original });
          if (original.inPlace) await run('chattr', ['+C', path]);
        }
        for (const [number, { path, original }] of copies.entries()) {
          at = original.path;
          copies[number] = { path, original, stat: await copy(original, path, run) };
        }
      } catch (error) {
        await remove().catch(close); // what is left, sweep() finds
        throw notTaken(at, error);
      }
      return snapshotOf(name, planned, copies, remove);
    },
  };
}

async function copy({ canonical }: Original, path: string, run: Run): Promise<BigIntStats> {
  await run('cp', ['--no-dereference', '--reflink=always', '--preserve=mode,ownership,timestamps,xattr', '--', canonical, path]);
  const stat = lstatSync(path, { bigint: true });
  if (!stat.isFile()) throw new Error('it is no file any more');
  return stat;
}

function snapshotOf(name: string, planned: readonly Planned[], copies: readonly Copy[], remove: () => Promise<void>): Snapshot {
  let removed = false;
  return {
    open: async () => undefined,
    places: { planned, images: copies.map(({ path, original }) => ({ top: original.canonical, image: path })) },
    async intact() {
      for (const { path, original, stat } of copies) {
        const now = removed ? undefined : lstatSync(path, { bigint: true, throwIfNoEntry: false });
        if (!now) throw failure('SNAPSHOT_LOST', { name, detail: `the copy of ${original.path} was removed` });
        if (now.ino !== stat!.ino || now.size !== stat!.size || now.mtimeNs !== stat!.mtimeNs || now.ctimeNs !== stat!.ctimeNs)
          throw failure('SNAPSHOT_LOST', { name, detail: `the copy of ${original.path} was changed` });
      }
    },
    async remove() {
      if (removed) return;
      await remove();
      removed = true;
    },
  };
}

function removeCopy(path: string, name: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw notRemoved(name, error);
  }
}
