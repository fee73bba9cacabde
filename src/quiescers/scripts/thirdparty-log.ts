// log/thirdparty.log: what scripts say, one line each: 18-09-13--22:30:10 [30243] [root] [INFO] text. While a file system may be frozen
// nothing is written; lines wait in memory.
import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import { userInfo } from 'node:os';
import { rotateLog } from '../../base/log.ts';

export type LogLevel = 'INFO' | 'ERROR';

export interface ThirdPartyLog {
  /** `pid` of who says it. Never writes, never waits. */
  add(level: LogLevel, pid: number, text: string): void;
  /** Writes what has gathered; to be called when nothing is frozen any more. Answers false where it cannot (a full disk); the lines stay. */
  flush(): boolean;
}

/** Lines that wait at most; of more than that the oldest half and the newest half are kept. */
export const maxLines = 4000;
const maxText = 2000;

export function thirdPartyLog(path: string, now: () => Date = () => new Date()): ThirdPartyLog {
  const user = userName();
  const oldest: string[] = [];
  let newest: string[] = [];
  let left = 0;
  return {
    add(level, pid, text) {
      for (const line of text.split(/\r?\n/)) {
        if (line.trim() === '') continue;
        const whole = `${stamp(now())} [${pid}] [${user}] [${level}] ${clean(line)}\n`;
        if (oldest.length < maxLines / 2) oldest.push(whole);
        else newest.push(whole);
        if (newest.length < maxLines) continue;
        left += maxLines / 2;
        newest = newest.slice(maxLines / 2);
      }
    },
    flush() {
      if (oldest.length === 0) return true;
      const gap = left > 0 ? [`${stamp(now())} [${process.pid}] [${user}] [INFO] (${left} lines left out)\n`] : [];
      try {
        append(path, [...oldest, ...gap, ...newest].join(''));
      } catch {
        return false;
      }
      oldest.length = 0;
      newest = [];
      left = 0;
      return true;
    },
  };
}

function append(path: string, text: string): void {
  rotateLog(path);
  // Others than root may write this directory: a link or a pipe that they put there is not followed.
  const fd = openSync(
    path,
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    0o640,
  );
  try {
    if (!fstatSync(fd).isFile()) throw new Error(`${path} is no file`);
    fchmodSync(fd, 0o640);
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  } finally {
    closeSync(fd);
  }
}

/** Local time, as the guide shows it. */
function stamp(date: Date): string {
  const [year, month, day, hour, minute, second] = [
    date.getFullYear() % 100,
    date.getMonth() + 1,
    date.getDate(),
    date.getHours(),
    date.getMinutes(),
    date.getSeconds(),
  ].map((part) => String(part).padStart(2, '0'));
  return `${year}-${month}-${day}--${hour}:${minute}:${second}`;
}

function clean(text: string): string {
  const short = text.length > maxText ? `${text.slice(0, maxText)} …` : text;
  return short.replace(/\p{Cc}/gu, ' ').trimEnd();
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? '?');
  }
}
