// Plans that start at the same time spread out on request, each by a share that is its own and always the same.
import { hash } from 'node:crypto';
import type { Plan } from '../model/plan.ts';

const minute = 60_000;

/** Milliseconds, whole minutes, less than spreadMinutes. */
export function spreadOf({ id, spreadMinutes }: Pick<Plan, 'id' | 'spreadMinutes'>): number {
  if (spreadMinutes === 0) return 0;
  const share = Number.parseInt(hash('sha256', id, 'hex').slice(0, 8), 16) / 2 ** 32;
  return Math.floor(share * spreadMinutes) * minute;
}
