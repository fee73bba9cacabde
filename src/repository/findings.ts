// What a check has found so far.
import { asStillpointError } from '../base/errors.ts';
import type { Damage } from '../model/task.ts';

/** A vault that lost everything must not make a report that nobody can hold. */
const limit = 10_000;

export interface Findings {
  error(kind: Damage['kind'], name: string, trouble: unknown): void;
  note(text: string): void;
  report(): { readonly errors: readonly Damage[]; readonly notes: readonly string[] };
}

export function createFindings(): Findings {
  const errors: Damage[] = [];
  const notes: string[] = [];
  let more = 0;
  return {
    /** `trouble`: words, or the error that came. */
    error: (kind, name, trouble) => {
      if (errors.length >= limit) more++;
      else errors.push({ kind, name, detail: typeof trouble === 'string' ? trouble : asStillpointError(trouble).message });
    },
    note: (text) => {
      if (notes.length < limit) notes.push(text);
    },
    report: () => ({ errors, notes: more > 0 ? [...notes, `${more} more errors are not listed`] : notes }),
  };
}
