// Where a restore would really write: the paths of its target with every symbolic link resolved.
import { lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { errnoOf, fail } from '../base/errors.ts';
import type { RestoreTarget } from '../model/task.ts';

export type PlacedTarget = Extract<RestoreTarget, { kind: 'files' | 'disk' }>;

/** The target with its paths settled. Throws TARGET_FAILED. */
export function settleTarget(target: PlacedTarget): PlacedTarget {
  if (target.kind === 'files') return { ...target, path: settlePath(target.path) };
  const map = Object.entries(target.map).map(([disk, path]) => [disk, settlePath(path)] as const);
  return { ...target, map: Object.fromEntries(map) };
}

/** The paths that a settled target writes to or below. */
export function placesOf(target: PlacedTarget): readonly string[] {
  return target.kind === 'files' ? [target.path] : Object.values(target.map);
}

/**
 * The path as it is without links, as far as it exists; what is to be made is taken as it is written. Throws TARGET_FAILED for a path that is
 * not absolute, and for a link that leads nowhere: nobody knows what will lie behind it when it is followed.
 */
export function settlePath(path: string): string {
  const wrong = (detail: string, cause?: unknown): never => fail('TARGET_FAILED', { path: String(path), detail }, { cause });
  if (typeof path !== 'string' || !path.startsWith('/') || path.includes('\0')) return wrong('it is no absolute path');
  try {
    return settle(resolve(path));
  } catch (error) {
    return wrong(errnoOf(error) === 'ENOENT' ? 'a symbolic link on the way leads nowhere' : (errnoOf(error) ?? String(error)), error);
  }
}

function settle(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path);
  return join(settle(dirname(path)), basename(path));
}
