// The packs as the index has them against the packs as they lie there, without reading them.
import type { Findings } from './findings.ts';
import { entriesOf } from './index-file.ts';
import { packSize } from './pack.ts';
import type { OpenState } from './vault-state.ts';

const noId = Buffer.alloc(0);

/** Bytes that a pack must have by what the index says of it. */
export function derivedSize({ index, packs }: OpenState, pack: number): number {
  return packSize(entriesOf(packs, pack).map((entry) => ({ id: noId, type: 'data', ...index.location(entry) })));
}

/** `sizes`: stored packs, listed after the index was read. Entries that lie in no file are added to `badEntries`. */
export function checkPacks(
  state: OpenState,
  sizes: ReadonlyMap<string, number>,
  indexDamaged: boolean,
  findings: Findings,
  badEntries: Set<number>,
): void {
  const { index, packs } = state;
  packs.names.forEach((name, pack) => {
    const size = sizes.get(name);
    const expected = derivedSize(state, pack);
    if (size === expected) return;
    findings.error('data', name, size === undefined ? 'it is missing' : `it has ${size} bytes, by the index it should have ${expected}`);
    for (const entry of entriesOf(packs, pack)) {
      const { offset, length } = index.location(entry);
      if (offset + length > (size ?? 0)) badEntries.add(entry);
    }
  });
  for (const [pack, files] of packs.alsoIn) findings.note(`pack ${packs.names[pack]} is listed by ${files.length + 1} index files`);
  for (const name of sizes.keys()) {
    if (packs.numbers.has(name)) continue;
    findings.note(`pack ${name} is in no index${indexDamaged ? '; a damaged index may have listed it' : '; prune removes it'}`);
  }
}
