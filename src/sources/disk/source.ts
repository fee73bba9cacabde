// Disks: block devices and image files, several as one group, in fixed blocks of 1 MiB.
import { statSync } from 'node:fs';
import { type DiskFacts, diskFacts } from '../../base/block-device.ts';
import { errnoOf, fail } from '../../base/errors.ts';
import { writerOfDisk } from '../../base/open-for-writing.ts';
import { joined } from '../../base/own-memory.ts';
import type { NodeTime } from '../../model/node.ts';
import type { DiskSource } from '../../model/plan.ts';
import type { Entry, Source, Warn } from '../../ports/source.ts';
import { sorted, treeOf, virtualDir, virtualMeta } from '../../ports/virtual-entry.ts';

export const diskBlock = 1 << 20;

/** Above this a disk is stored as segments, each a file `data` in a directory of its own (`00000`, …), so that no tree grows large. */
export const segmentSize = 64 * 2 ** 30;

interface Disk {
  readonly path: string;
  /** Where its bytes are: itself, or an image of it. */
  readonly image: string;
  readonly facts: DiskFacts;
}

export interface DiskSourceOptions {
  readonly warn: Warn;
  /** Where a disk of `settings` is read: an image of it. */
  readonly placeOf?: (livePath: string) => string;
}

/** Throws SOURCE_MISSING, SOURCE_NOT_DISK, SOURCE_UNREADABLE. */
export function diskSource(settings: DiskSource, { warn, placeOf = (path) => path }: DiskSourceOptions): Source {
  const disks = settings.paths.map((path): Disk => ({ path, image: placeOf(path), facts: factsOf(path, placeOf(path)) }));
  for (const { path, image } of disks) {
    const writer = image === path ? writerOfDisk(path) : undefined;
    if (writer && !writer.unknown) warn({ item: path, detail: `it is ${writer.what}: what is written meanwhile makes a torn image` });
  }
  const now = wholeSeconds(Date.now());
  const leaves = disks.map((disk) => ({ path: disk.path, entry: (name: string) => diskEntry(name, disk, now) }));
  let listed = false;
  return {
    paths: settings.paths,
    excludes: [],
    estimate: { bytes: disks.reduce((sum, disk) => sum + disk.facts.size, 0), files: disks.length },
    list() {
      if (listed) throw new Error('a source is listed once');
      listed = true;
      return entries(sorted(treeOf(leaves, now)));
    },
    finish: async () => undefined,
    close: async () => undefined,
  };
}

async function* entries(all: readonly Entry[]): AsyncGenerator<Entry> {
  yield* all;
}

function factsOf(path: string, image: string): DiskFacts {
  try {
    const facts = diskFacts(image);
    if (!facts) return fail('SOURCE_MISSING', { path });
    return facts.kind === 'other' ? fail('SOURCE_NOT_DISK', { path }) : facts;
  } catch (error) {
    const errno = errnoOf(error);
    if (!errno) throw error;
    return fail('SOURCE_UNREADABLE', { path, detail: errno }, { cause: error });
  }
}

function diskEntry(name: string, disk: Disk, now: NodeTime): Entry {
  const { size } = disk.facts;
  if (size <= segmentSize) return piece(name, disk, 0, size, now);
  const count = Math.ceil(size / segmentSize);
  const segments = Array.from({ length: count }, (_, i) => {
    const offset = i * segmentSize;
    return virtualDir(String(i).padStart(5, '0'), now, [piece('data', disk, offset, Math.min(segmentSize, size - offset), now)]);
  });
  return virtualDir(name, now, segments);
}

function piece(name: string, { image, facts }: Disk, offset: number, length: number, now: NodeTime): Entry {
  const common = {
    kind: 'path',
    path: joined([Buffer.from(image)]),
    offset,
    length,
    chunking: { kind: 'fixed', size: diskBlock },
    required: true,
  } as const;
  if (facts.kind === 'device')
    return { kind: 'file', meta: virtualMeta(name, 'file', now, length), content: { ...common, regular: false } };
  // An image file that nobody touched since the parent backup is not read again.
  const stat = statSync(image, { bigint: true });
  const meta = {
    ...virtualMeta(name, 'file', timeOf(stat.mtimeNs), length),
    ctime: timeOf(stat.ctimeNs),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mode: Number(stat.mode) & 0o7777,
    inode: stat.ino,
    deviceId: stat.dev,
  };
  return { kind: 'file', meta, content: { ...common, regular: true } };
}

const wholeSeconds = (ms: number): NodeTime => ({ seconds: Math.floor(ms / 1000), nanos: 0 });
const timeOf = (ns: bigint): NodeTime => ({ seconds: Number(ns / 1_000_000_000n), nanos: Number(ns % 1_000_000_000n) });
