// Reads the whole trail and finds the first entry that is not as it was written.
import { setImmediate as breathe } from 'node:timers/promises';
import { fail } from '../base/errors.ts';
import type { AuditRow, AuditTable } from '../state/audit.ts';
import { type Chain, type Link, sameHash } from './audit-chain.ts';

export interface AuditProof {
  readonly entries: number;
  /** Numbers of the first and the last entry; 0 where there is none. */
  readonly first: number;
  readonly last: number;
  /** When (ms) they were written. */
  readonly from: number | null;
  readonly to: number | null;
  /** Of the last entry: who has written it down elsewhere can see that it is still there. */
  readonly hash: string;
}

interface Trail {
  readonly table: AuditTable;
  readonly chain: Chain;
  /** The newest entry as it was noted apart from the database. */
  readonly noted: Link;
  /** Whether the tracker is on. */
  readonly on: boolean;
  /** The signed beginning, where the first entries have expired. */
  readonly start: unknown;
}

/** Throws AUDIT_BROKEN. */
export async function proveTrail({ table, chain, noted, on, start }: Trail): Promise<AuditProof> {
  const begin = start === undefined ? chain.origin : chain.verified<Link>('start', start);
  if (!begin) return broken('its signed beginning was changed');
  let at: Link = begin;
  let first: AuditRow | undefined;
  let last: AuditRow | undefined;
  let tracker: string | undefined;
  for (let rows = table.after(Number.MIN_SAFE_INTEGER); rows.length > 0; rows = table.after(at.seq)) {
    for (const row of rows) {
      checkRow(row, at, chain);
      if (row.seq === noted.seq && row.hash !== noted.hash) broken(`entry ${row.seq} is another than the one that was noted`);
      if (row.trace === 'setTracker') tracker = row.detail;
      first ??= row;
      last = row;
      at = row;
    }
    await breathe();
  }
  if (at.seq < noted.seq) broken(missing(at.seq + 1, noted.seq));
  if (tracker !== undefined && (tracker === 'on') !== on) broken(`after entry ${at.seq} the tracker was switched without an entry`);
  return {
    entries: first ? at.seq - first.seq + 1 : 0,
    first: first?.seq ?? 0,
    last: last?.seq ?? 0,
    from: first?.at ?? null,
    to: last?.at ?? null,
    hash: at.hash,
  };
}

function checkRow(row: AuditRow, before: Link, chain: Chain): void {
  if (row.seq <= before.seq) broken(`entry ${row.seq} was put in before the first one`);
  if (row.seq > before.seq + 1) broken(missing(before.seq + 1, row.seq - 1));
  if (!sameHash(row, chain)) broken(`entry ${row.seq} is not as it was written`);
  if (row.previous !== before.hash) broken(`entry ${row.seq} does not follow from the one before`);
  if (row.trace === 'startTrail' && row.result === 'failed') broken(`entry ${row.seq} says that ${row.detail}`);
}

const missing = (from: number, to: number) => (from === to ? `entry ${from} is missing` : `the entries ${from} to ${to} are missing`);

function broken(detail: string): never {
  fail('AUDIT_BROKEN', { detail });
}
