// Records: the files under snapshots/ that make a tree a backup. Sources: restic's internal/data/snapshot.go, doc/design.rst "Snapshots".
import { fail } from '../base/errors.ts';
import type { BackupSummary } from '../model/backup.ts';
import type { RecordInfo } from '../model/task.ts';
import { jsonValue } from './go-text.ts';
import { parseTime } from './go-time.ts';
import { parseTags } from './record-tags.ts';

export { formatMs } from './go-time.ts';
export { parseTags, tagsOf } from './record-tags.ts';

/** restic ≥ 0.17 shows it; times as in `time`. */
export interface RecordSummary extends BackupSummary {
  readonly backupStart: string;
  readonly backupEnd: string;
}

export interface NewRecord {
  /** RFC 3339 with up to nine digits of a fraction, as Go writes it; make it with formatMs(). */
  readonly time: string;
  readonly parent?: string;
  readonly tree: string;
  /** Absolute. */
  readonly paths: readonly string[];
  readonly hostname: string;
  readonly username: string;
  readonly uid: number;
  readonly gid: number;
  readonly excludes: readonly string[];
  readonly tags: readonly string[];
  /** The first id, once restic tag or rewrite wrote the record anew. */
  readonly original?: string;
  readonly programVersion?: string;
  readonly summary?: RecordSummary;
}

export interface RecordFile extends NewRecord {
  readonly id: string;
  /** `time` as ms since the epoch. */
  readonly timeMs: number;
}

/** Our names of the summary's counts, in restic's order. */
const counts = [
  ['files_new', 'filesNew'],
  ['files_changed', 'filesChanged'],
  ['files_unmodified', 'filesUnmodified'],
  ['dirs_new', 'dirsNew'],
  ['dirs_changed', 'dirsChanged'],
  ['dirs_unmodified', 'dirsUnmodified'],
  ['data_blobs', 'dataBlobs'],
  ['tree_blobs', 'treeBlobs'],
  ['data_added', 'dataAdded'],
  ['data_added_packed', 'dataAddedPacked'],
  ['total_files_processed', 'totalFiles'],
  ['total_bytes_processed', 'totalBytes'],
] as const satisfies readonly (readonly [string, keyof BackupSummary])[];

/** The JSON that restic would write: its key order, empty members left out. */
export function encodeRecord(record: NewRecord): Buffer {
  const { summary } = record;
  const list = (values: readonly string[]): readonly string[] | undefined => (values.length > 0 ? values : undefined);
  return Buffer.from(
    jsonValue({
      time: record.time,
      parent: record.parent,
      tree: record.tree,
      paths: record.paths,
      hostname: record.hostname || undefined,
      username: record.username || undefined,
      uid: record.uid || undefined,
      gid: record.gid || undefined,
      excludes: list(record.excludes),
      tags: list(record.tags),
      original: record.original,
      program_version: record.programVersion || undefined,
      summary: summary && {
        backup_start: summary.backupStart,
        backup_end: summary.backupEnd,
        ...Object.fromEntries(counts.map(([key, ours]) => [key, summary[ours]])),
      },
    }),
  );
}

/** Reads a record of any restic; what may be missing is taken as empty. Throws REPO_DAMAGED. */
export function decodeRecord(bytes: Buffer, id: string): RecordFile {
  const damaged = (detail: string, cause?: unknown): never => fail('REPO_DAMAGED', { kind: 'snapshots', name: id, detail }, { cause });
  const members = (value: unknown, what: string): Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : damaged(`${what} is no JSON object`);
  const json = members(parseJson(bytes, damaged), 'it');

  const wrong = (key: string): never => damaged(`its ${key} is missing or wrong`);
  const text = (key: string): string => {
    const value = json[key] ?? '';
    return typeof value === 'string' ? value : wrong(key);
  };
  const texts = (key: string): readonly string[] => {
    const value = json[key] ?? [];
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : wrong(key);
  };
  const number = (from: Record<string, unknown>, key: string): number => {
    const value = from[key] ?? 0;
    return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : wrong(key);
  };
  const time = (from: Record<string, unknown>, key: string): string => {
    const value = from[key];
    return typeof value === 'string' && parseTime(value) !== undefined ? value : wrong(key);
  };
  const blobId = (key: string): string => (/^[0-9a-f]{64}$/.test(text(key)) ? text(key) : wrong(key));
  const optional = <K extends string, T>(key: string, ours: K, read: (key: string) => T): { readonly [name in K]?: T } =>
    json[key] == null ? {} : ({ [ours]: read(key) } as { readonly [name in K]?: T });
  const summary = (): RecordSummary => {
    const from = members(json['summary'], 'its summary');
    const numbers = Object.fromEntries(counts.map(([key, ours]) => [ours, number(from, key)])) as Record<keyof BackupSummary, number>;
    return { backupStart: time(from, 'backup_start'), backupEnd: time(from, 'backup_end'), ...numbers };
  };

  return {
    id,
    time: time(json, 'time'),
    timeMs: milliseconds(time(json, 'time')),
    ...optional('parent', 'parent', blobId),
    tree: blobId('tree'),
    paths: texts('paths'),
    hostname: text('hostname'),
    username: text('username'),
    uid: number(json, 'uid'),
    gid: number(json, 'gid'),
    excludes: texts('excludes'),
    tags: texts('tags'),
    ...optional('original', 'original', blobId),
    ...optional('program_version', 'programVersion', text),
    ...optional('summary', 'summary', summary),
  };
}

function parseJson(bytes: Buffer, damaged: (detail: string, cause?: unknown) => never): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    return damaged('it is no JSON', cause);
  }
}

function milliseconds(time: string): number {
  const parsed = parseTime(time) ?? fail('INTERNAL', { detail: `${time} is no time` });
  return parsed.seconds * 1000 + Math.floor(parsed.nanos / 1_000_000);
}

/** What a listing shows of a record. */
export function recordInfo(id: string, record: NewRecord): RecordInfo {
  const info = {
    id,
    time: milliseconds(record.time),
    hostname: record.hostname,
    username: record.username,
    paths: record.paths,
    tree: record.tree,
    tags: parseTags(record.tags),
    rawTags: record.tags,
    ...(record.parent === undefined ? {} : { parent: record.parent }),
  };
  if (record.summary === undefined) return info;
  const { backupStart: _start, backupEnd: _end, ...summary } = record.summary;
  return { ...info, summary };
}
