import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noteFreeze } from '../../../src/agent/freeze-history.ts';

let run: string;
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'history-'));
});
afterEach(() => rmSync(run, { recursive: true, force: true }));

describe('the history of freezes', () => {
  it('A2 lets so many freezes be in an hour and no more', () => {
    const now = 1e12;
    noteFreeze(run, 2, now);
    noteFreeze(run, 2, now + 1);
    expect(() => noteFreeze(run, 2, now + 2)).toThrow(expect.objectContaining({ code: 'FREEZE_TOO_OFTEN' }));
    noteFreeze(run, 2, now + 3600_001);
  });

  it('A2 writes through no link, and believes no folder that others may write', () => {
    const target = join(run, 'target');
    writeFileSync(target, 'mine');
    symlinkSync(target, join(run, 'freezes.json.new'));
    noteFreeze(run, 2);
    expect(readFileSync(target, 'utf8')).toBe('mine');
    rmSync(join(run, 'freezes.json'));
    chmodSync(run, 0o777);
    expect(() => noteFreeze(run, 2)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(existsSync(join(run, 'freezes.json'))).toBe(false);
  });
});
