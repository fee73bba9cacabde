// Text in a file or in the database that only this installation can have written.
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface Signed {
  readonly value: object;
  readonly mac: string;
}

export interface Signer {
  mac(purpose: string, text: string): string;
  sign(purpose: string, value: object): Signed;
  /** Undefined for what it did not sign for that purpose. */
  verified<T extends object>(purpose: string, signed: unknown): T | undefined;
}

/** `key`: 32 bytes derived for this. */
export function createSigner(key: Buffer): Signer {
  const mac = (purpose: string, text: string) => createHmac('sha256', key).update(`${purpose}\0`).update(text).digest('hex');
  return {
    mac,
    sign: (purpose, value) => ({ value, mac: mac(purpose, JSON.stringify(value)) }),
    verified<T extends object>(purpose: string, signed: unknown) {
      const { value, mac: said } = (signed ?? {}) as Partial<Signed>;
      if (typeof value !== 'object' || value === null || typeof said !== 'string') return undefined;
      return sameText(said, mac(purpose, JSON.stringify(value))) ? (value as T) : undefined;
    },
  };
}

/** Takes as long whether they differ early or late. */
export function sameText(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
