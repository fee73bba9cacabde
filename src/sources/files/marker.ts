// While a restore is under way, and after one that did not end well, a file in the first restored directory says so.
import { writeSync } from 'node:fs';
import { close, open, openAt, unlinkAt } from '../../base/libc.ts';
import { statAtIfAny } from '../../base/libc-stat.ts';
import type { Directory } from './directory.ts';

export const markerName = Buffer.from('.stillpoint-restore-incomplete');

/** Writes the marker, in place of one from an earlier run; the directory is held, so that its own times are set last: the caller releases it. */
export function writeMarker(directory: Directory, content: { readonly record: string; readonly started: string }): void {
  if (statAtIfAny(directory.fd, markerName) !== undefined) unlinkAt(directory.fd, markerName);
  const fd = openAt(directory.fd, markerName, open.writeOnly | open.create | open.exclusive | open.noFollow, 0o644);
  try {
    writeSync(fd, `${JSON.stringify(content)}\n`);
  } finally {
    close(fd);
  }
  directory.hold();
}

export function removeMarker(directory: Directory): void {
  unlinkAt(directory.fd, markerName);
}
