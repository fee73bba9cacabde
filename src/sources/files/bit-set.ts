// A set of small numbers, one bit each.

export interface BitSet {
  add(index: number): void;
  has(index: number): boolean;
}

export function bitSet(): BitSet {
  let bits = new Uint8Array(1024);
  return {
    add(index) {
      const at = index >>> 3;
      if (at >= bits.length) {
        const larger = new Uint8Array(Math.max(bits.length * 2, at + 1));
        larger.set(bits);
        bits = larger;
      }
      bits[at]! |= 1 << (index & 7);
    },
    has: (index) => ((bits[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0,
  };
}
