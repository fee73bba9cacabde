// What root has approved at the console: one restore each, within a day, once. An approval is a file that only root can have written, named
// after a digest of what exactly the restore writes where. The same restore started again has the same digest, whatever its task's id.
import { hash } from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readFileSync, type Stats, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, fail } from '../base/errors.ts';
import { faultOfFolders, openSafeFile } from '../base/safe-file.ts';
import type { TaskSpec } from '../model/task.ts';
import type { Layout } from './layout.ts';
import { writePrivateFile } from './private-file.ts';

/** ms that an approval is good for. */
export const approvalLasts = 24 * 3600_000;

/** What an approval is for; the record's id is the digest of all that it leads to. */
export type ApprovedRestore = Pick<Extract<TaskSpec, { type: 'restore' }>, 'record' | 'target'>;

/** The task that failed for want of it, and when root said yes (ms since the epoch). */
export interface ApprovalFile {
  readonly digest: string;
  readonly task: string;
  readonly approvedAt: number;
}

type RunLayout = Pick<Layout, 'run'>;

export const approvalsOf = ({ run }: RunLayout): string => join(run, 'approvals');

const othersBits = 0o077;
const digestPattern = /^[0-9a-f]{64}$/;

/** SHA-256 of the canonical JSON: keys in the order of their code units, nothing that is undefined. Paths should be settled before. */
export function digestOf({ record, target }: ApprovedRestore): string {
  return hash('sha256', canonical({ restore: record, target }), 'hex');
}

/** Writes the approval and returns until when it is good (ms since the epoch). `owner` is root's uid. Throws CONFIG_INVALID where others may write the folder. */
export function approve(layout: RunLayout, digest: string, task: string, now: number, owner: number): number {
  const folder = approvalsOf(layout);
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(folder, 0o700);
  checkFolder(folder, owner);
  const content: ApprovalFile = { digest, task, approvedAt: now };
  writePrivateFile(fileOf(folder, digest), `${JSON.stringify(content)}\n`);
  return now + approvalLasts;
}

/**
 * Takes the approval of this digest away: true for the first who asks within its time. Throws CONFIG_INVALID where the folder or the file may
 * be written or read by others. `now` in ms since the epoch.
 */
export function takeApproval(layout: RunLayout, digest: string, now: number, owner: number): boolean {
  const folder = approvalsOf(layout);
  const path = fileOf(folder, digest);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
  checkFolder(folder, owner);
  const fd = openSafeFile(path, owner, refuse(path), faultOfRights);
  let good: boolean;
  try {
    good = isGood(readFileSync(fd, 'utf8'), digest, now);
  } finally {
    closeSync(fd);
  }
  return remove(folder, path) && good;
}

const refuse = (file: string) => (detail: string, cause?: unknown) => fail('CONFIG_INVALID', { file, detail }, { cause });

function fileOf(folder: string, digest: string): string {
  return digestPattern.test(digest) ? join(folder, digest) : fail('INTERNAL', { detail: 'an approval goes by a SHA-256 digest' });
}

function checkFolder(folder: string, owner: number): void {
  const fault = faultOfFolders(folder, owner);
  if (fault) refuse(folder)(fault);
  const stats = lstatSync(folder);
  const rights = stats.isDirectory() ? faultOfRights(stats) : 'it is a symbolic link';
  if (rights) refuse(folder)(rights);
}

function faultOfRights({ mode }: Stats): string | undefined {
  return (mode & othersBits) === 0 ? undefined : `others have rights on it (mode ${(mode & 0o777).toString(8).padStart(3, '0')})`;
}

function isGood(text: string, digest: string, now: number): boolean {
  const said = parsed(text);
  if (said?.digest !== digest || typeof said.approvedAt !== 'number') return false;
  const age = now - said.approvedAt;
  // One from the future was made before the clock was set back; how old it is nobody knows.
  return age >= 0 && age < approvalLasts;
}

function parsed(text: string): Partial<ApprovalFile> | undefined {
  try {
    return JSON.parse(text) as Partial<ApprovalFile>;
  } catch {
    return undefined;
  }
}

/** Of two who take it at once only one removes it. */
function remove(folder: string, path: string): boolean {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
  // A crash must not bring it back.
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return true;
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const pairs = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const sorted = pairs.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${sorted.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
}
