// Knows the ids of all-zero blocks, so that a restore need not load them to leave a hole.
import { hash } from 'node:crypto';
import { zeros } from './zero.ts';

/** Tells whether a block is all zeros, from its id and what the index says; blocks above 4 MiB are never asked for. */
export function zeroIds(): (id: string, location: { readonly length: number; readonly plainLength: number }) => boolean {
  const ids = new Map<number, string>();
  return (id, { length, plainLength }) => {
    // Zeros compress to next to nothing; everything else need not be hashed.
    if (plainLength === 0 || plainLength > zeros.length || length > 1024) return false;
    let zeroId = ids.get(plainLength);
    if (!zeroId) {
      zeroId = hash('sha256', zeros.subarray(0, plainLength), 'hex');
      ids.set(plainLength, zeroId);
    }
    return id === zeroId;
  };
}
