// A vault that locks its files (S3 Object Lock): what a new record relies on stays locked for the whole period from now.
import { fail } from '../base/errors.ts';
import type { FileKind } from '../ports/backend.ts';
import type { OpenState } from './vault-state.ts';

/**
 * After a save, before the record is written, so that there is never a record whose data may go before it. What it relies on: the marked
 * blocks and those from entry `firstNew` on. Does nothing where the store does not lock. Returns how many locks were extended. Throws
 * REPO_DAMAGED for what somebody has overwritten or deleted.
 */
export async function retainUsed({ backend, index, packs }: OpenState, firstNew: number, signal: AbortSignal): Promise<number> {
  const { locking } = backend;
  if (!locking) return 0;
  const used = new Set<string>();
  for (let entry = 0; entry < index.count(); entry++) {
    if (!index.isMarked(entry) && entry < firstNew) continue;
    const name = packs.names[index.location(entry).pack];
    if (name !== undefined) used.add(name);
  }
  const isListed = (name: string) => packs.files.has(name);
  const wanted: readonly (readonly [FileKind, (name: string) => boolean])[] = [
    ['data', (name) => used.has(name)],
    ['index', isListed],
    ['keys', () => true],
    ['config', () => true],
  ];
  let total = 0;
  for (const [kind, isWanted] of wanted) {
    const { extended, hurt } = await locking.extend(kind, isWanted, signal);
    if (hurt[0] !== undefined && kind !== 'keys')
      fail('REPO_DAMAGED', {
        kind,
        name: hurt[0],
        detail: `${hurt.length} of the files that the backup relies on were overwritten or deleted by somebody; vault recover brings them back`,
      });
    total += extended;
  }
  return total;
}
