// What binds the entries of the audit trail: keyed hashes, so that whoever can write the database cannot make them.
import type { AuditRow } from '../state/audit.ts';
import { createSigner, type Signer, sameText } from './signed.ts';

/** An entry's place: what comes next carries the following number and this hash. */
export interface Link {
  readonly seq: number;
  readonly hash: string;
}

export type Unbound = Omit<AuditRow, 'hash'>;

export interface Chain extends Signer {
  /** Before the first entry of all. */
  readonly origin: Link;
  hashOf(row: Unbound): string;
}

export function createChain(key: Buffer): Chain {
  const signer = createSigner(key);
  return { ...signer, origin: { seq: 0, hash: signer.mac('origin', '') }, hashOf: (row) => signer.mac('entry', canonical(row)) };
}

export const sameHash = (row: AuditRow, chain: Chain): boolean => sameText(row.hash, chain.hashOf(row));

/** An array, so that neither the order of properties nor the border between two values can be played with. */
function canonical(row: Unbound): string {
  const { seq, id, at, actor, address, trace, resourceType, resourceId, resourceName, result, code, detail, previous } = row;
  return JSON.stringify([seq, id, at, actor, address, trace, resourceType, resourceId, resourceName, result, code, detail, previous]);
}
