// A plan says what is backed up (source, method) and where to (vault).
import type { ConsistencyChoice } from './consistency.ts';
import type { Timing } from './policy.ts';
import type { Window } from './schedule.ts';
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

/** Names of commands in /etc/stillpoint/allow.yaml, run in this order around the backup; `failure` only when it failed. */
export interface Hooks {
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly failure: readonly string[];
}

/** 0 for no limit. */
export interface Limits {
  readonly readBytesPerSecond: number;
  /** Of one processor. */
  readonly cpuPercent: number;
}

export interface Pause {
  /** Who paused it, and so who may resume it: only what the operator paused waits for him. */
  readonly by: 'operator' | 'source';
  readonly since: number;
  readonly reason: string;
}

/** Addresses that are asked (GET) at the start and the end of each run. */
export interface Heartbeat {
  readonly start?: string;
  readonly success?: string;
  readonly failure?: string;
}

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
  readonly timing: Timing;
  readonly consistency: ConsistencyChoice;
  readonly window: Window | null;
  readonly hooks: Hooks;
  readonly limits: Limits;
  /** How often a run that failed for a passing reason is tried again. */
  readonly retries: number;
  /** A start comes up to so many minutes later, by a share that is the plan's own, so that many plans do not start at once. */
  readonly spreadMinutes: number;
  /** What becomes of starts that fell into a time when the agent was off. */
  readonly missed: 'once' | 'skip';
  /** Hours after which the last good backup is too old (an alarm); null for none. */
  readonly maxAgeHours: number | null;
  readonly pause: Pause | null;
  /** Sealed JSON of Heartbeat: the addresses hold tokens. */
  readonly heartbeat: string | null;
  /** Whether it belongs to its vault (guide 2.3); dissociated plans do not run. */
  readonly associated: boolean;
  /** The next run is a full one: source or vault are others than those of the last backup. */
  readonly renew: boolean;
  /** Until when (ms) its scheduled starts are accounted for. */
  readonly accountedUntil: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What a plan is where nothing else was said, and what plans of older installations are. */
export const planDefaults = {
  timing: { kind: 'vault' },
  window: null,
  hooks: { before: [], after: [], failure: [] },
  limits: { readBytesPerSecond: 0, cpuPercent: 0 },
  retries: 2,
  spreadMinutes: 0,
  missed: 'once',
  maxAgeHours: null,
  pause: null,
  heartbeat: null,
  associated: true,
  renew: false,
} as const satisfies Partial<Plan>;
