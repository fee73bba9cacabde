// Files that a person names on the command line.
import { closeSync, fsyncSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { errnoOf, fail, failure, isCode } from '../base/errors.ts';

/** No file given on the command line is bigger; a disk named by mistake must not fill the memory. */
const limit = 1024 * 1024;

/** Throws FILE_MISSING or FILE_UNREADABLE. */
export function readTextFile(path: string): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > limit) fail('FILE_UNREADABLE', { path, detail: 'it is bigger than 1 MiB' });
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (isCode(error, 'FILE_UNREADABLE')) throw error;
    if (errnoOf(error) === 'ENOENT') fail('FILE_MISSING', { path }, { cause: error });
    throw failure('FILE_UNREADABLE', { path, detail: reason(error) }, { cause: error });
  }
}

/** The first line of a file that holds a recovery key or a password. Throws KEY_FILE_EMPTY too. */
export function readKeyFile(path: string): string {
  const key = readTextFile(path).split(/\r?\n/, 1)[0]?.trim();
  return key || fail('KEY_FILE_EMPTY', { path });
}

/** A new file, taken before the key exists, so that a key is never made that cannot be kept. */
export interface KeyFile {
  readonly path: string;
  /** The key and a newline: at once a password file for restic. */
  keep(key: string): void;
  /** Takes the empty file away again. */
  drop(): void;
}

/** Throws FILE_EXISTS or FILE_UNWRITABLE; nobody but the caller may read the file. */
export function reserveKeyFile(name: string): KeyFile {
  const path = resolve(name);
  const unwritable = (error: unknown) => failure('FILE_UNWRITABLE', { path, detail: reason(error) }, { cause: error });
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o600);
  } catch (error) {
    throw errnoOf(error) === 'EEXIST' ? failure('FILE_EXISTS', { path }) : unwritable(error);
  }
  return {
    path,
    keep(key) {
      try {
        writeSync(fd, `${key}\n`);
        fsyncSync(fd);
      } catch (error) {
        throw unwritable(error);
      } finally {
        closeSync(fd);
      }
    },
    drop() {
      closeSync(fd);
      unlinkSync(path);
    },
  };
}

function reason(error: unknown): string {
  const { message } = error as Error;
  return errnoOf(error) ? message.replace(/^(\w+): (.*?), .*$/s, '$2 ($1)') : message;
}
