// Names that lead from a leftover back to its task: `stillpoint-<installation's mark>-<task id>` is the snapshot, with `.<n>` one image of it.
import { fail } from '../base/errors.ts';

const name = /^stillpoint-[A-Za-z0-9-]{1,64}$/;
const piece = /^(stillpoint-[A-Za-z0-9-]{1,64})\.\d{1,5}$/;

/** A name that is no file name, or that LVM would not take, is a defect of the caller. */
export function assertName(wanted: string): void {
  if (!name.test(wanted)) fail('INTERNAL', { detail: `"${wanted}" is no name for a snapshot` });
}

export const pieceName = (snapshot: string, number: number): string => `${snapshot}.${number}`;

/** The snapshot that an image belongs to; undefined for what is not ours. */
export const ownerOf = (entry: string): string | undefined => piece.exec(entry)?.[1];

/** `mark`: 8 hexadecimal digits of the installation. */
export const snapshotName = (mark: string, task: string): string => `stillpoint-${mark}-${task}`;

/** The task of a snapshot; undefined where another installation made it. */
export const taskOf = (mark: string, snapshot: string): string | undefined =>
  snapshot.startsWith(snapshotName(mark, '')) ? snapshot.slice(snapshotName(mark, '').length) : undefined;
