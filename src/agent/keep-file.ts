// data/agent.keep: what the vaults do not tell, beside the database, signed so that nobody can swap it.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import type { Layout } from '../config/layout.ts';
import { writePrivateFile } from '../config/private-file.ts';
import type { Sealer } from '../config/secrets.ts';
import { essenceOf, type Keepsake, keepsakeOf } from '../state/keepsake.ts';
import type { AgentGround } from './ground.ts';
import { createSigner } from './signed.ts';

export interface Kept {
  /** Counts up with each writing; the database notes it, so that one that is older than the file is recognised. */
  readonly serial: number;
  readonly keepsake: Keepsake;
}

export const serialFact = 'keep.serial';

export const keepFileOf = (layout: Layout): string => join(dirname(layout.database), 'agent.keep');

const signerOf = (sealer: Sealer) => createSigner(sealer.derive('keepsake'));

/** `missing`, or `wrong` if it is not what this installation wrote. */
export function readKept(layout: Layout, sealer: Sealer): Kept | 'missing' | 'wrong' {
  try {
    return signerOf(sealer).verified<Kept>('kept', JSON.parse(readFileSync(keepFileOf(layout), 'utf8'))) ?? 'wrong';
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? 'missing' : 'wrong';
  }
}

/** Answers what writes the file if there is something new; a few milliseconds with 500 plans. Never throws: the next call tries again. */
export function createKeep({ layout, sealer, state, log }: Pick<AgentGround, 'layout' | 'sealer' | 'state' | 'log'>): () => void {
  const before = readKept(layout, sealer);
  let serial = Math.max(typeof before === 'object' ? before.serial : 0, Number(state.facts.get(serialFact) ?? 0));
  let known = typeof before === 'object' ? essenceOf(before.keepsake) : '';
  return () => {
    try {
      const keepsake = keepsakeOf(state);
      const text = essenceOf(keepsake);
      if (text === known) return;
      const kept: Kept = { serial: serial + 1, keepsake };
      // The file first: a database that does not know its number has the same rows.
      writePrivateFile(keepFileOf(layout), `${JSON.stringify(signerOf(sealer).sign('kept', kept))}\n`);
      state.facts.set(serialFact, kept.serial);
      serial = kept.serial;
      known = text;
    } catch (error) {
      log.error({ err: error }, 'data/agent.keep could not be written yet');
    }
  };
}

/** Whether the database lacks what the file has: its journal was lost, or an old copy of it was put in its place. */
export function isBehind(state: AgentGround['state'], { serial, keepsake }: Kept): boolean {
  if (serial <= Number(state.facts.get(serialFact) ?? 0)) return false;
  return essenceOf(keepsakeOf(state)) !== essenceOf(keepsake);
}
