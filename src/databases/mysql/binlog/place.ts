// A place in a binary log, `bin.000004:1234`: a log file of the server and the bytes of it that lie before.

export interface Place {
  readonly file: string;
  readonly position: number;
}

/** Names of log files go to a tool's command line and become names in the tree. */
const isFileName = (name: string): boolean => /^[^/\0]+\.\d{1,12}$/.test(name) && !name.startsWith('-');

/** Undefined for what is no place. */
export function parsePlace(text: string): Place | undefined {
  const [, file = '', digits = ''] = /^(.+):(\d{1,15})$/s.exec(text) ?? [];
  return isFileName(file) ? { file, position: Number(digits) } : undefined;
}

export const placeText = ({ file, position }: Place): string => `${file}:${position}`;

/** Below 0 where `a` comes before `b`; NaN where they are in logs of different names. */
export function comparePlaces(a: Place, b: Place): number {
  const [one, other] = [numbered(a.file), numbered(b.file)];
  if (one.base !== other.base) return Number.NaN;
  return one.number - other.number || a.position - b.position;
}

/** Names of the files that come after `first` and before `last`, `first` among them, as people name them. */
export function filesBetween(first: string, last: string): string {
  const [from, to] = [numbered(first), numbered(last)];
  const count = to.number - from.number;
  if (from.base !== to.base || count < 1) return first;
  const name = (number: number) => `${from.base}.${String(number).padStart(first.length - from.base.length - 1, '0')}`;
  return count === 1 ? first : `${first} to ${name(to.number - 1)}`;
}

function numbered(file: string): { readonly base: string; readonly number: number } {
  const dot = file.lastIndexOf('.');
  return { base: file.slice(0, dot), number: Number(file.slice(dot + 1)) };
}
