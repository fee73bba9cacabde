// A plan says what is backed up (source, method) and where to (vault).
import type { ConsistencyChoice } from './consistency.ts';

export interface FilesSource {
  readonly kind: 'files';
  /** Absolute paths. */
  readonly paths: readonly string[];
  /** restic-style patterns: gitignore-like globs, `**` for any depth, a leading `!` brings back. */
  readonly excludes: readonly string[];
  /** Files with one pattern a line, read at the start of each backup. */
  readonly excludeFiles: readonly string[];
  readonly oneFileSystem: boolean;
  /** Directories with a CACHEDIR.TAG are left out. */
  readonly excludeCaches: boolean;
}

export interface DiskSource {
  readonly kind: 'disk';
  /** Block devices and image files; one consistent group. */
  readonly paths: readonly string[];
}

export interface CommandSource {
  readonly kind: 'command';
  /** Either an argument list … */
  readonly argv?: readonly string[];
  /** … or a line for bash, run with pipefail. */
  readonly shell?: string;
  /** Name of the file that the output becomes. */
  readonly fileName: string;
  /** Refuse less output than this (bytes). */
  readonly minBytes: number;
  /** Regular expression that the last 4 KiB of the output must match. */
  readonly expectTail?: string;
}

export type SourceSettings = FilesSource | DiskSource | CommandSource;

export interface Plan {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly vaultId: string;
  readonly source: SourceSettings;
  /** How the source is read; `snapshot` for files is the seed's name for the files method. */
  readonly method: string;
  readonly strategy: 'manual';
  readonly consistency: ConsistencyChoice;
  readonly createdAt: number;
  readonly updatedAt: number;
}
