// Restoring disks: to a device or an image file at least as large, writing only what differs.
import { hash } from 'node:crypto';
import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readSync, unlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type DiskFacts, diskFacts, isSystemDisk, mountsOf } from '../../base/block-device.ts';
import { errnoOf, fail } from '../../base/errors.ts';
import { openPlainDirectory } from '../../base/plain-directory.ts';
import type { Node } from '../../model/node.ts';
import type { BlobId } from '../../ports/blob.ts';
import type { ContentReader, FileToWrite, RestoreCounts, RestoreStep } from '../../ports/target.ts';

/** A disk in a backup: one file, or the `data` files of its segments. */
export interface StoredDisk {
  readonly path: string;
  readonly size: number;
  readonly pieces: readonly Piece[];
}

/** Where its blocks are listed is kept, not the list: that grows with the disk. */
interface Piece {
  readonly offset: number;
  readonly size: number;
  readonly tree: BlobId;
  readonly name: Buffer;
}

export interface DiskTarget {
  readonly disk: StoredDisk;
  readonly path: string;
  /** No part of the path is a link, and none is followed. */
  readonly plain: boolean;
  /** Undefined: the image file has to be made. */
  readonly facts: DiskFacts | undefined;
}

/** Finds the disks of a backup in its tree. Directories named 00000, 00001, … that hold `data` are one disk's segments. */
export async function findDisks(root: BlobId, reader: ContentReader): Promise<StoredDisk[]> {
  const disks: StoredDisk[] = [];
  const visit = async (tree: BlobId, path: string) => {
    const nodes: Node[] = [];
    for await (const node of reader.tree(tree)) nodes.push(node);
    if (nodes.length > 0 && nodes.every((node) => node.type === 'dir' && /^\d{5}$/.test(node.name.toString()))) {
      disks.push(await joinSegments(path, nodes, reader));
      return;
    }
    for (const node of nodes) {
      const below = `${path}/${node.name.toString('utf8')}`;
      if (below === '/.stillpoint') continue;
      if (node.type === 'file')
        disks.push({ path: below, size: node.size, pieces: [{ offset: 0, size: node.size, tree, name: node.name }] });
      else if (node.type === 'dir') await visit(node.subtree!, below);
    }
  };
  await visit(root, '');
  return disks;
}

async function joinSegments(path: string, segments: readonly Node[], reader: ContentReader): Promise<StoredDisk> {
  const pieces: Piece[] = [];
  let offset = 0;
  for (const segment of segments)
    for await (const node of reader.tree(segment.subtree!)) {
      pieces.push({ offset, size: node.size, tree: segment.subtree!, name: node.name });
      offset += node.size;
    }
  return { path, size: offset, pieces };
}

async function contentOf(piece: Piece, reader: ContentReader): Promise<readonly BlobId[]> {
  for await (const node of reader.tree(piece.tree)) if (node.name.equals(piece.name)) return node.content!;
  return fail('INTERNAL', { detail: 'a file that was in its tree is not there' });
}

async function* piecesToWrite(disk: StoredDisk, reader: ContentReader, fd: number, mode: FileToWrite['mode']): AsyncGenerator<FileToWrite> {
  for (const piece of disk.pieces) {
    const { offset, size } = piece;
    yield { tag: disk, content: await contentOf(piece, reader), size, open: { kind: 'fd', fd, base: offset }, mode };
  }
}

/** Looks at the target without touching it. Throws TARGET_SMALLER, TARGET_MOUNTED, TARGET_SYSTEM_DISK, TARGET_FAILED. */
export function planDisk(disk: StoredDisk, path: string, plain: boolean): DiskTarget {
  const facts = lookAt(path);
  if (!facts) {
    if (!diskFactsOfFolder(path)) fail('TARGET_FAILED', { path, detail: 'its directory does not exist' });
    return { disk, path, plain, facts: undefined };
  }
  if (isSystemDisk(path, facts)) fail('TARGET_SYSTEM_DISK', { path });
  const [mount] = mountsOf(path, facts);
  if (mount) fail('TARGET_MOUNTED', { path, mount: mount.point });
  if (facts.size < disk.size) fail('TARGET_SMALLER', { path, have: facts.size, need: disk.size });
  return { disk, path, plain, facts };
}

function lookAt(path: string): DiskFacts | undefined {
  const facts = attempt(path, () => diskFacts(path));
  return facts?.kind === 'other' ? fail('TARGET_FAILED', { path, detail: 'it is neither a block device nor a regular file' }) : facts;
}

const diskFactsOfFolder = (path: string): boolean => attempt(path, () => diskFacts(dirname(path)) !== undefined);

export function diskStep(target: DiskTarget): RestoreStep {
  return { action: target.facts ? 'update' : 'create', path: target.path, bytes: target.disk.size };
}

/** A link planted beside the target leads nowhere; the marker of an interrupted run is written anew. */
const markerFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
function writeMarker(marker: string, text: string): void {
  const fd = openSync(marker, markerFlags, 0o600);
  try {
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

const markerOf = (path: string) => `${path}.stillpoint-restore-incomplete`;

/**
 * Writes the disk. An image file has a marker beside it while it is not whole. Throws TARGET_FULL, TARGET_FAILED, and what the vault throws.
 */
export async function writeDisk(target: DiskTarget, record: string, reader: ContentReader, counts: RestoreCounts): Promise<void> {
  await reached(target, (place, noLinks) => write(target, place, noLinks, record, reader, counts));
}

/** Works with the path by which the target is opened: below its directory, held open, where no link may be followed. */
async function reached<T>({ path, plain }: DiskTarget, work: (place: string, noLinks: number) => Promise<T>): Promise<T> {
  if (!plain) return work(path, 0);
  const folder = attempt(path, () => openPlainDirectory(dirname(path)));
  try {
    return await work(`/proc/self/fd/${folder}/${basename(path)}`, constants.O_NOFOLLOW);
  } finally {
    closeSync(folder);
  }
}

async function write(
  { path, facts, disk }: DiskTarget,
  place: string,
  noLinks: number,
  record: string,
  reader: ContentReader,
  counts: RestoreCounts,
): Promise<void> {
  const device = facts?.kind === 'device';
  const marker = markerOf(place);
  const interrupted = facts !== undefined;
  if (!device) attempt(path, () => writeMarker(marker, `${JSON.stringify({ record, path })}\n`));
  // O_EXCL on a block device fails while anybody has it mounted or claimed, whatever /proc says.
  const flags = constants.O_RDWR | noLinks | (device ? constants.O_EXCL : 0) | (facts ? 0 : constants.O_CREAT | constants.O_EXCL);
  const fd = attempt(path, () => openSync(place, flags, 0o600));
  try {
    if (!device) attempt(path, () => ftruncateSync(fd, disk.size));
    await reader.writeFiles(piecesToWrite(disk, reader, fd, interrupted ? 'compare' : 'new'), ({ written, error }) => {
      counts.bytesWritten += written;
      if (error) throwAs(path, error);
    });
    attempt(path, () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
  if (!device) attempt(path, () => unlinkSync(marker));
  counts.files++;
}

/** Reads the target back and compares it with the backup block by block, without the vault. Returns how many blocks differ. */
export function verifyDisk(target: DiskTarget, reader: ContentReader): Promise<number> {
  return reached(target, (place, noLinks) => countDiffering(target, place, noLinks, reader));
}

async function countDiffering(target: DiskTarget, place: string, noLinks: number, reader: ContentReader): Promise<number> {
  const fd = attempt(target.path, () => openSync(place, constants.O_RDONLY | noLinks));
  const buffer = Buffer.alloc(8 << 20);
  let differ = 0;
  try {
    for (const piece of target.disk.pieces) {
      let position = piece.offset;
      for (const id of await contentOf(piece, reader)) {
        const size = reader.blobSize(id);
        let got = 0;
        for (let n = 1; got < size && n > 0; got += n) n = readSync(fd, buffer, got, size - got, position + got);
        if (hash('sha256', buffer.subarray(0, got), 'hex') !== id) differ++;
        position += size;
      }
    }
  } finally {
    closeSync(fd);
  }
  return differ;
}

function attempt<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    return throwAs(path, error);
  }
}

function throwAs(path: string, error: unknown): never {
  const errno = errnoOf(error);
  if (!errno) throw error;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return fail('TARGET_FULL', { path }, { cause: error });
  return fail('TARGET_FAILED', { path, detail: errno }, { cause: error });
}
