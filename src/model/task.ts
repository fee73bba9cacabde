// One run, and the protocol between rdagent and the rdtask process that does it.
import type { Problem } from '../base/errors.ts';
import type { BackupSummary, BackupTags } from './backup.ts';
import type { ConsistencyChoice } from './consistency.ts';
import type { CommandWords, Hooks, Limits, SourceSettings } from './plan.ts';
import type { PoolAccess } from './pool.ts';
import type { ProbeReport } from './probe.ts';
import type { Overwrite, RestoreCounts, RestoreStep } from './restore.ts';
import type { Instance, LogMark, ServiceTarget } from './service.ts';
import type { Warning } from './warning.ts';

/** All that opens one repository. Travels to rdtask on an inherited pipe only. */
export interface VaultAccess {
  readonly pool: PoolAccess;
  /** Path of the repository below the pool: `<vault>/<agent-id>`. */
  readonly path: string;
  readonly password: string;
  /** What is saved cannot be removed by anyone for so many days (S3 Object Lock); 0 or absent: it can. */
  readonly immutableDays?: number;
  /** Opens it read-only as it was at this moment (ms since the epoch), from the versions that a bucket keeps. */
  readonly at?: number;
}

/** The record's own fields that a listing shows; `tags` holds ours, parsed. */
export interface RecordInfo {
  readonly id: string;
  /** ms since the epoch. */
  readonly time: number;
  readonly hostname: string;
  readonly username: string;
  readonly paths: readonly string[];
  readonly tree: string;
  readonly parent?: string;
  readonly tags: BackupTags;
  readonly rawTags: readonly string[];
  readonly summary?: BackupSummary;
}

export interface KeyInfo {
  readonly id: string;
  readonly created: number;
  readonly hostname: string;
  readonly username: string;
  readonly current: boolean;
}

export type TaskSpec =
  /**
   * Tries every right. `create` makes the directory or bucket first. With `bind` a place without a marker is marked with the pool's id, and
   * the marker's id is answered as probe.poolId; without it the marker must be there and carry the pool's id.
   */
  | { readonly type: 'probe'; readonly pool: PoolAccess; readonly create: boolean; readonly bind: boolean }
  /** Stops a server that was started from a backup, and deletes its directory unless its data are to be kept. */
  | { readonly type: 'instance-end'; readonly directory: string; readonly keepData: boolean }
  | { readonly type: 'vault-create'; readonly vault: VaultAccess; readonly recoveryKey: string }
  /** Opens an existing repository with `vault.password` (the recovery key) and adds the agent's own key. */
  | { readonly type: 'vault-attach'; readonly vault: VaultAccess; readonly newPassword: string }
  | { readonly type: 'vault-scan'; readonly vault: VaultAccess }
  | { readonly type: 'vault-unlock'; readonly vault: VaultAccess; readonly ownLocks: readonly string[]; readonly all: boolean }
  | { readonly type: 'vault-delete'; readonly vault: VaultAccess }
  /** Makes the vault what it was at a moment (ms since the epoch), although somebody overwrote or deleted since. */
  | { readonly type: 'vault-recover'; readonly vault: VaultAccess; readonly at: number; readonly dryRun: boolean }
  | { readonly type: 'keys'; readonly vault: VaultAccess; readonly action: 'list' }
  | { readonly type: 'keys'; readonly vault: VaultAccess; readonly action: 'add'; readonly newPassword: string }
  | { readonly type: 'keys'; readonly vault: VaultAccess; readonly action: 'remove'; readonly id: string }
  | {
      readonly type: 'backup';
      readonly vault: VaultAccess;
      readonly source: SourceSettings;
      readonly consistency: ConsistencyChoice;
      /** The task's id: what it makes on the host (snapshots, a freeze) is named after it. */
      readonly task: string;
      readonly freezesPerHour: number;
      readonly tags: BackupTags;
      readonly hostname: string;
      readonly parent?: string;
      /** Of a backup of a log: where the last one ended. */
      readonly since?: LogMark;
      /** Re-read everything and verify every stored block that is relied upon (B5). */
      readonly full: boolean;
      /** The agent's configuration, kept in the tree under .stillpoint/ (JSON text). */
      readonly agentConfig: string;
      /** Names of commands that run around it; none if left out. */
      readonly hooks?: Hooks;
      /** Of what it reads, and of its processor time; none if left out. */
      readonly limits?: Limits;
    }
  | {
      readonly type: 'restore';
      readonly vault: VaultAccess;
      /** The task's id, if it has one: root may have to approve it. */
      readonly task?: string;
      readonly record: string;
      readonly target: RestoreTarget;
      readonly dryRun: boolean;
    }
  | {
      readonly type: 'check';
      readonly vault: VaultAccess;
      readonly readData: false | true | string;
    }
  | { readonly type: 'prune'; readonly vault: VaultAccess; readonly dryRun: boolean; readonly maxUnusedPercent: number }
  /** `expire`: their time is over, by a clock that says `now` (ms): the pool is asked for the date before anything goes. */
  | {
      readonly type: 'forget';
      readonly vault: VaultAccess;
      readonly records: readonly string[];
      readonly expire?: boolean;
      readonly now?: number;
    }
  /** Answers stream out of the process's standard output: one JSON object a line for ls, find and diff, raw bytes for cat. */
  | { readonly type: 'ls'; readonly vault: VaultAccess; readonly record: string; readonly path: string; readonly recursive: boolean }
  | { readonly type: 'find'; readonly vault: VaultAccess; readonly records: readonly string[]; readonly patterns: readonly string[] }
  | { readonly type: 'diff'; readonly vault: VaultAccess; readonly from: string; readonly to: string }
  | { readonly type: 'cat'; readonly vault: VaultAccess; readonly record: string; readonly path: string };

export type TaskType = TaskSpec['type'];

/** A command and as whom it runs, once its name was looked up; as the task itself if left out. */
export type CommandRun = CommandWords & { readonly user?: string };

/** A load command, which gets the dump as its input, and what runs before it and, only when it has succeeded, after it. */
export type CommandTarget = CommandRun & {
  readonly kind: 'command';
  readonly before?: readonly CommandRun[];
  readonly after?: readonly CommandRun[];
};

/** All that a restore would run, in order. */
export const commandsOf = ({ before = [], after = [], ...load }: CommandTarget): readonly CommandRun[] => [...before, load, ...after];

export type RestoreTarget =
  | {
      readonly kind: 'files';
      /** Directory to restore below; '/' means in place. */
      readonly path: string;
      /** It was settled before root allowed it: no part of it is a link any more, and none is followed. */
      readonly plain?: boolean;
      /** Paths inside the backup; empty for all. */
      readonly include: readonly string[];
      readonly overwrite: Overwrite;
      readonly delete: boolean;
      readonly verify: boolean;
    }
  | {
      readonly kind: 'disk';
      /** Path of the disk inside the backup (as in the record's paths) → device or image file. */
      readonly map: Readonly<Record<string, string>>;
      /** As for files: no part of the paths is a link. */
      readonly plain?: boolean;
      readonly verify: boolean;
    }
  | CommandTarget
  | ServiceTarget;

export interface Progress {
  readonly bytesDone: number;
  /** 0 while unknown. */
  readonly bytesTotal: number;
  readonly filesDone: number;
  readonly filesTotal: number;
  /** What is being worked on, printable. */
  readonly current: string;
}

/** rdtask → rdagent, one JSON object a line. `lock-write` is answered by an `ack` line before the lock file is written. */
export type TaskEvent =
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'warning'; readonly warning: Warning }
  | { readonly type: 'lock-write'; readonly name: string; readonly seq: number }
  | { readonly type: 'lock-removed'; readonly name: string }
  /** Which process it is, and the bytes that it has had over the network since it began. First of all, every 5 s, and once before the end. */
  | { readonly type: 'usage'; readonly pid: number; readonly received: number; readonly sent: number }
  | { readonly type: 'done'; readonly result: TaskResult }
  | { readonly type: 'failed'; readonly problem: Problem };

/** rdagent → rdtask, one JSON object a line; the first is the spec. The end of the pipe means: stop at once. */
export type TaskOrder =
  | { readonly type: 'spec'; readonly spec: TaskSpec }
  | { readonly type: 'ack'; readonly seq: number }
  | { readonly type: 'bandwidth'; readonly bytesPerSecond: number }
  | { readonly type: 'cancel' };

export interface Damage {
  readonly kind: 'data' | 'index' | 'snapshots' | 'keys' | 'block' | 'tree';
  readonly name: string;
  readonly detail: string;
}

export interface CheckReport {
  readonly packs: number;
  readonly blobs: number;
  readonly bytesRead: number;
  readonly errors: readonly Damage[];
  readonly notes: readonly string[];
  /** Record id → the damaged or missing blocks it needs. */
  readonly hurt: Readonly<Record<string, readonly string[]>>;
}

export interface PruneReport {
  readonly packsBefore: number;
  readonly packsRemoved: number;
  readonly packsRepacked: number;
  readonly bytesBefore: number;
  readonly bytesUnused: number;
  readonly bytesFreed: number;
  readonly blobsUsed: number;
  readonly blobsUnused: number;
  readonly dryRun: boolean;
  /** Packs that would have gone or been rewritten, were they not locked. */
  readonly packsLocked?: number;
}

/** Of a vault brought back to what it was: files put back, and files hidden because they were not there then. */
export interface RecoverReport {
  readonly putBack: number;
  readonly bytes: number;
  readonly hidden: number;
  /** Files that are as they were. */
  readonly kept: number;
  readonly dryRun: boolean;
}

export interface TaskResult {
  readonly probe?: ProbeReport;
  readonly repositoryId?: string;
  readonly keys?: readonly KeyInfo[];
  readonly records?: readonly RecordInfo[];
  /** Bytes stored in the repository, where the task came to know. */
  readonly storedBytes?: number;
  readonly record?: RecordInfo;
  readonly restore?: RestoreCounts;
  /** A server that was started from the backup. */
  readonly instance?: Instance;
  readonly steps?: readonly RestoreStep[];
  readonly check?: CheckReport;
  readonly prune?: PruneReport;
  readonly locks?: readonly string[];
  readonly recovered?: RecoverReport;
  /** Records whose time is over and that an immutable vault still holds. */
  readonly kept?: readonly string[];
  /** The agent's configuration found in the newest record (JSON text), after attach. */
  readonly agentConfig?: string;
  readonly warnings: number;
}
