// What root has approved: one restore, once, within a day, and in a file that only root can have written.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { approvalLasts, approvalsOf, approve, digestOf, takeApproval } from '../../../src/config/approvals.ts';
import type { RestoreTarget } from '../../../src/model/task.ts';

const nobody = 65534;
const owner = process.getuid?.() ?? 0;
const now = 1_700_000_000_000;
const record = 'ab'.repeat(32);
const files: RestoreTarget = { kind: 'files', path: '/', include: ['/etc'], overwrite: 'always', delete: false, verify: true };
const digest = digestOf({ record, target: files });

let run: string;
let file: string;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'approvals-'));
  file = join(approvalsOf({ run }), digest);
});
afterEach(() => rmSync(run, { recursive: true, force: true }));

const yes = (at = now) => approve({ run }, digest, 'task-1', at, owner);
const take = (at = now) => takeApproval({ run }, digest, at, owner);
const refuses = (detail: string | RegExp) => {
  expect(() => take()).toThrow(detail);
  expect(() => take()).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
};

describe('the digest of a restore', () => {
  it('B8 is that of its canonical JSON', () => {
    const { delete: remove, ...rest } = files;
    expect(digestOf({ record, target: { delete: remove, ...rest } })).toBe(digest);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    const spec = { type: 'restore', vault: { password: 'secret' }, dryRun: false, record, target: files } as const;
    expect(digestOf(spec as never)).toBe(digest);
  });

  it('B8 is another for whatever else is written or elsewhere', () => {
    const disk: RestoreTarget = { kind: 'disk', map: { '/dev/a': '/dev/b', '/dev/c': '/dev/d' }, verify: false };
    const others = [
      { record: 'cd'.repeat(32), target: files },
      { record, target: { ...files, path: '/srv' } },
      { record, target: { ...files, include: [] } },
      { record, target: { ...files, include: ['/etc', '/usr'] } },
      { record, target: { ...files, delete: true } },
      { record, target: { ...files, overwrite: 'never' as const } },
      { record, target: disk },
      { record, target: { ...disk, map: { '/dev/a': '/dev/d', '/dev/c': '/dev/b' } } },
      { record, target: { ...disk, map: { '/dev/a': '/dev/b' } } },
    ];
    expect(new Set([digest, ...others.map(digestOf)]).size).toBe(others.length + 1);
  });
});

describe('an approval', () => {
  it('B8 is good once, and for nothing else', () => {
    expect(take()).toBe(false);
    expect(yes()).toBe(now + approvalLasts);
    expect(takeApproval({ run }, digestOf({ record, target: { ...files, delete: true } }), now, owner)).toBe(false);
    expect(take()).toBe(true);
    expect(take()).toBe(false);
    expect(readdirSync(approvalsOf({ run }))).toEqual([]);
  });

  it('B8 is a file that nobody else may read, in a folder that nobody else may enter', () => {
    yes();
    expect([statSync(approvalsOf({ run })).mode & 0o777, statSync(file).mode & 0o777]).toEqual([0o700, 0o600]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ digest, task: 'task-1', approvedAt: now });
  });

  it('B8 is good for 24 hours, counted from the last yes, and not before it was given', () => {
    yes();
    expect(take(now + approvalLasts)).toBe(false);
    expect(existsSync(file)).toBe(false);
    yes();
    expect(take(now - 1)).toBe(false);
    yes();
    yes(now + 5);
    expect(take(now + approvalLasts)).toBe(true);
  });

  it('B8 counts only for the digest that it is named after', () => {
    yes();
    const other = digestOf({ record, target: { ...files, delete: true } });
    renameSync(file, join(approvalsOf({ run }), other));
    expect(takeApproval({ run }, other, now, owner)).toBe(false);
    for (const text of ['', 'null', '{', JSON.stringify({ digest }), JSON.stringify({ digest, approvedAt: '1' })]) {
      writeFileSync(file, text, { mode: 0o600 });
      expect(take(), text).toBe(false);
    }
  });

  it('B8 is not believed if others own it or may touch it, and is not used up then', () => {
    yes();
    chownSync(file, nobody, nobody);
    refuses('it is owned by uid 65534');
    chownSync(file, owner, owner);
    for (const mode of [0o640, 0o604, 0o620, 0o601]) {
      chmodSync(file, mode);
      refuses(/mode 6/);
    }
    chmodSync(file, 0o600);
    expect(take()).toBe(true);
  });

  it('B8 is not believed as a link, nor as a folder', () => {
    yes();
    renameSync(file, join(run, 'elsewhere'));
    symlinkSync(join(run, 'elsewhere'), file);
    refuses('it is a symbolic link');
    rmSync(file);
    mkdirSync(file, { mode: 0o700 });
    refuses('it is no regular file');
  });

  it('B8 is neither given nor taken in a folder that others own, may enter, or have linked', () => {
    const folder = approvalsOf({ run });
    yes();
    for (const mode of [0o710, 0o755, 0o777]) {
      chmodSync(folder, mode);
      refuses(/mode 7/);
      expect(() => yes()).toThrow(/mode 7/);
    }
    chmodSync(folder, 0o700);
    chownSync(folder, nobody, nobody);
    refuses('is owned by uid 65534');
    expect(() => yes()).toThrow('is owned by uid 65534');
    chownSync(folder, owner, owner);
    renameSync(folder, join(run, 'moved'));
    symlinkSync('moved', folder);
    refuses('it is a symbolic link');
    expect(() => yes()).toThrow('it is a symbolic link');
    rmSync(folder);
    renameSync(join(run, 'moved'), folder);
    chownSync(run, nobody, nobody);
    refuses(`the directory ${run} is owned by uid 65534`);
    chownSync(run, owner, owner);
    expect(take()).toBe(true);
  });

  it('B8 goes by a digest and never by a path', () => {
    for (const wrong of ['../x', '', digest.toUpperCase(), `${digest}/`])
      expect(() => takeApproval({ run }, wrong, now, owner), wrong).toThrow('SHA-256');
  });
});
