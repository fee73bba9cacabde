// Random, and the same in every run.

export interface Random {
  /** A whole number from 0 to below - 1. */
  below(below: number): number;
  chance(share: number): boolean;
  one<T>(of: readonly T[]): T;
  /** `count` different ones, at most as many as there are. */
  some<T>(count: number, of: readonly T[]): T[];
}

/** mulberry32 */
export function randomOf(seed: number): Random {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  const one = <T>(of: readonly T[]) => of[below(of.length)] as T;
  const some = <T>(count: number, of: readonly T[]) => {
    const left = [...of];
    return Array.from({ length: Math.min(count, left.length) }, () => left.splice(below(left.length), 1)[0] as T);
  };
  return { below, chance: (share) => next() < share, one, some };
}
