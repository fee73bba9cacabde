// The repository's chunker polynomial: irreducible of degree 53 over GF(2), checked by restic on every open ("invalid chunker polynomial").
// Source of the test: Ben-Or, "Probabilistic algorithms in finite fields", FOCS 1981.
import { randomBytes } from 'node:crypto';

const degree = (p: bigint): number => p.toString(2).length - 1;

function mod(a: bigint, m: bigint): bigint {
  const top = degree(m);
  for (let d = degree(a); a !== 0n && d >= top; d = degree(a)) a ^= m << BigInt(d - top);
  return a;
}

function multiplyMod(a: bigint, b: bigint, m: bigint): bigint {
  let product = 0n;
  for (let x = a, y = b; y !== 0n; y >>= 1n, x = mod(x << 1n, m)) if (y & 1n) product ^= x;
  return mod(product, m);
}

function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, mod(a, b)];
  return a;
}

export function isIrreducible(p: bigint): boolean {
  let power = 2n; // the polynomial x
  for (let i = 1; i <= degree(p) / 2; i++) {
    power = multiplyMod(power, power, p);
    if (gcd(p, power ^ 2n) !== 1n) return false;
  }
  return true;
}

/** Hex digits without 0x, as restic's config holds it. */
export function randomPolynomial(): string {
  for (;;) {
    const candidate = (randomBytes(8).readBigUInt64LE() & ((1n << 54n) - 1n)) | (1n << 53n) | 1n;
    if (isIrreducible(candidate)) return candidate.toString(16);
  }
}

export function isValidPolynomial(hex: string): boolean {
  if (!/^[0-9a-f]{14}$/.test(hex)) return false;
  const p = BigInt(`0x${hex}`);
  return degree(p) === 53 && isIrreducible(p);
}
