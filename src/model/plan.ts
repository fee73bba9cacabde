// A plan says what is backed up (source, method) and where to (vault).
import type { ConsistencyChoice } from './consistency.ts';
import type { ServiceSource } from './service.ts';

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

/** All disks of the host, as they are found at the start of each backup: those that were added since are in it. */
export interface ServerSource {
  readonly kind: 'server';
  /** `system`: those that the host starts and runs from; `data`: the others. */
  readonly disks: 'all' | 'system' | 'data';
  /** Device paths, stable names (/dev/disk/by-id/…) or serial numbers. */
  readonly exclude: readonly string[];
}

/** One of three. */
export interface CommandWords {
  /** An argument list … */
  readonly argv?: readonly string[];
  /** … or a line for bash, run with pipefail … */
  readonly shell?: string;
  /** … or a name of /etc/stillpoint/allow.yaml. */
  readonly named?: string;
}

export interface CommandSource extends CommandWords {
  readonly kind: 'command';
  /** As whom it runs, once its name was looked up; the task itself if left out. */
  readonly user?: string;
  /** Name of the file that the output becomes. */
  readonly fileName: string;
  /** Refuse less output than this (bytes). */
  readonly minBytes: number;
  /** Regular expression that the last 4 KiB of the output must match. */
  readonly expectTail?: string;
}

/** What can be read as it is named. */
export type ReadSource = FilesSource | DiskSource | CommandSource | ServiceSource;

export type SourceSettings = ReadSource | ServerSource;

export interface Plan {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly vaultId: string;
  readonly source: SourceSettings;
  /** How the source is read; `snapshot` for files is the seed's name for the files method. */
  readonly method: string;
  /** What the source needs to get in, sealed; null for nothing. */
  readonly secret: string | null;
  readonly strategy: 'manual';
  readonly consistency: ConsistencyChoice;
  readonly createdAt: number;
  readonly updatedAt: number;
}
