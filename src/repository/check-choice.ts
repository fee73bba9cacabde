// Which packs a check reads whole.
import { randomInt } from 'node:crypto';
import { fail } from '../base/errors.ts';

/** false: none; true: all; 'n/t': group n of t, by the first byte of a pack's name as restic does; 'x%': that share, chosen by chance. */
export type ReadData = boolean | string;

/** Numbers into `names`. Throws USAGE. */
export function choosePacks(names: readonly string[], readData: ReadData): number[] {
  const all = names.map((_, number) => number);
  if (readData === false) return [];
  if (readData === true) return all;
  const group = /^(\d{1,3})\/(\d{1,3})$/.exec(readData);
  if (group) {
    const [n, t] = [Number(group[1]), Number(group[2])];
    if (n >= 1 && n <= t && t <= 256) return all.filter((number) => Number.parseInt(names[number]!.slice(0, 2), 16) % t === n - 1);
  }
  const share = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(readData);
  const percent = Number(share?.[1]);
  if (percent > 0 && percent <= 100) return someOf(all, Math.max(1, Math.floor((all.length * percent) / 100)));
  return fail('USAGE', { detail: `--read-data takes n/t (1 ≤ n ≤ t ≤ 256) or a percentage up to 100%, not ${readData}` });
}

/** The first `count` of a shuffle (Fisher and Yates), in the order of their numbers. */
function someOf(all: number[], count: number): number[] {
  for (let i = 0; i < Math.min(count, all.length); i++) {
    const j = randomInt(i, all.length);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all.slice(0, count).sort((a, b) => a - b);
}
