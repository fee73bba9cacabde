// Where a repository's files lie under its root: restic's default layout, the same for directories and buckets.
import { fail } from '../base/errors.ts';
import type { FileKind } from '../ports/backend.ts';

const fileName = /^[0-9a-f]{64}$/;
const shardName = /^[0-9a-f]{2}$/;

/** Whether a name is one that a listing shows: 64 lower-case hex digits, or `config`. */
export function isFileName(kind: FileKind, name: string): boolean {
  return kind === 'config' ? name === 'config' : fileName.test(name);
}

/** The two first hex digits that a pack's directory is named by. */
export function isShardName(name: string): boolean {
  return shardName.test(name);
}

/**
 * The directory of a file, relative to the repository's root; '' for `config`. Throws INTERNAL for a name that is none, so that a name
 * read from a damaged or malicious index never becomes a path.
 */
export function folderOf(kind: FileKind, name: string): string {
  if (!isFileName(kind, name)) fail('INTERNAL', { detail: `not the name of a ${kind} file: ${JSON.stringify(name.slice(0, 80))}` });
  if (kind === 'config') return '';
  return kind === 'data' ? `data/${name.slice(0, 2)}` : kind;
}

/** The file's key, relative to the repository's root, with `/` as separator. */
export function keyOf(kind: FileKind, name: string): string {
  const folder = folderOf(kind, name);
  return folder === '' ? name : `${folder}/${name}`;
}

/** The name in a key as `keyOf` makes it, relative to the repository's root, or undefined for any other key. */
export function nameIn(kind: FileKind, key: string): string | undefined {
  const name = key.slice(key.lastIndexOf('/') + 1);
  return isFileName(kind, name) && keyOf(kind, name) === key ? name : undefined;
}
