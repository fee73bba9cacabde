// log/thirdparty.log: the guide's line format, and nothing written before the thaw.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { maxLines, thirdPartyLog } from '../../../src/quiescers/scripts/thirdparty-log.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'log-'));
  path = join(folder, 'thirdparty.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = () => new Date(2018, 8, 13, 22, 30, 10);

describe('A22 the log of scripts', () => {
  it('A22 has the line format of the guide, one line a line, no control characters', () => {
    const log = thirdPartyLog(path, at);
    log.add('INFO', 30243, 'begin\nand more\r\n\n');
    log.add('ERROR', 30244, 'MySQL is \x1b[31malready\x00 frozen');
    expect(existsSync(path)).toBe(false);
    expect(log.flush()).toBe(true);
    const who = `[${userInfo().username}]`;
    expect(readFileSync(path, 'utf8').split('\n')).toEqual([
      `18-09-13--22:30:10 [30243] ${who} [INFO] begin`,
      `18-09-13--22:30:10 [30243] ${who} [INFO] and more`,
      `18-09-13--22:30:10 [30244] ${who} [ERROR] MySQL is  [31malready  frozen`,
      '',
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('A22 writes each line once', () => {
    const log = thirdPartyLog(path, at);
    log.add('INFO', 1, 'one');
    log.flush();
    log.flush();
    log.add('INFO', 1, 'two');
    log.flush();
    expect(readFileSync(path, 'utf8').match(/one|two/g)).toEqual(['one', 'two']);
  });

  it('A22 keeps the first and the last lines of a script that never stops talking, and says how many are left out', () => {
    const log = thirdPartyLog(path, at);
    for (let i = 0; i < 10 * maxLines; i++) log.add('INFO', 1, `line ${i}`);
    log.add('ERROR', 1, 'x'.repeat(100_000));
    log.flush();
    const lines = readFileSync(path, 'utf8').split('\n');
    expect(lines.length).toBeLessThanOrEqual(1.5 * maxLines + 2);
    expect(lines[0]).toContain('line 0');
    expect(lines.at(-3)).toContain(`line ${10 * maxLines - 1}`);
    expect(lines.at(-2)!.length).toBeLessThan(3000);
    const kept = lines.filter((line) => /\] line \d+$/.test(line)).length;
    expect(lines.find((line) => line.includes('left out'))).toContain(`(${10 * maxLines - kept} lines left out)`);
  });

  it('A22 follows no link, and keeps its lines while it cannot write them', () => {
    const other = join(folder, 'other');
    writeFileSync(other, '');
    symlinkSync(other, path);
    const log = thirdPartyLog(path, at);
    log.add('INFO', 1, 'kept');
    expect(log.flush()).toBe(false);
    expect(readFileSync(other, 'utf8')).toBe('');
    rmSync(path);
    mkdirSync(path);
    expect(log.flush()).toBe(false);
    rmSync(path, { recursive: true });
    expect(log.flush()).toBe(true);
    expect(readFileSync(path, 'utf8')).toContain('kept');
  });
});
