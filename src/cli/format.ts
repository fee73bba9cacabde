// Values as a person reads them.

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes with three significant digits: `0 B`, `1.50 KiB`, `12.3 GiB`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${units[unit]}`;
}

/** `2026-03-01 14:05 CET`; ms since the epoch. */
export function formatTime(time: number | null | undefined, timeZone?: string): string {
  if (time === null || time === undefined) return '-';
  const parts = new Intl.DateTimeFormat('en-GB', {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
    ...(timeZone && { timeZone }),
  }).formatToParts(time);
  const get = (type: Intl.DateTimeFormatPartTypes) => parts.find((part) => part.type === type)?.value ?? '';
  return `${get('year')}-${get('month')}-${get('day')} ${get('hour')}:${get('minute')}:${get('second')} ${get('timeZoneName')}`;
}

/** Milliseconds as `0.4 s`, `12 s`, `3:05 min`, `2:10:00 h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 9_950) return `${(Math.max(0, milliseconds) / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds} s` : formatClock(seconds) + (seconds < 3600 ? ' min' : ' h');
}

/** Seconds as `0:07`, `3:05`, `2:10:00`. */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** `12,345` */
export function formatCount(count: number): string {
  return count.toLocaleString('en-GB');
}

/** `1 backup`, `2 backups`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Eight characters, more where two of the ids begin alike. */
export function shortIds(ids: readonly string[], least = 8): ReadonlyMap<string, string> {
  const distinct = [...new Set(ids)].sort();
  const common = (a: string, b: string | undefined) => {
    let length = 0;
    while (b !== undefined && length < a.length && a[length] === b[length]) length += 1;
    return length;
  };
  return new Map(
    distinct.map((id, i) => [id, id.slice(0, Math.max(least, 1 + Math.max(common(id, distinct[i - 1]), common(id, distinct[i + 1]))))]),
  );
}

/** The beginning of one id; a task's or a backup's. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

const typeLetters: Readonly<Record<string, string>> = {
  file: '-',
  dir: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  dev: 'b',
  chardev: 'c',
};

/** As `ls -l` writes it: `drwxr-x---`. */
export function formatMode(type: string, mode: number): string {
  const three = (bits: number, special: boolean, letter: string) => {
    const execute = bits & 1 ? (special ? letter : 'x') : special ? letter.toUpperCase() : '-';
    return (bits & 4 ? 'r' : '-') + (bits & 2 ? 'w' : '-') + execute;
  };
  const owner = three((mode >> 6) & 7, (mode & 0o4000) !== 0, 's');
  const group = three((mode >> 3) & 7, (mode & 0o2000) !== 0, 's');
  return (typeLetters[type] ?? '?') + owner + group + three(mode & 7, (mode & 0o1000) !== 0, 't');
}
