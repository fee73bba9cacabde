// How freezes end: a thaw that is asked for while a freeze undoes itself, or by two at once, is one thaw.
import { detailOf } from './sessions.ts';

/** Calls `thawOnce` unless a call of it is under way, whose end is then waited for. */
export function sharedThaw<T>(thawOnce: () => Promise<T>): () => Promise<T> {
  let thawing: Promise<T> | undefined;
  return () => {
    thawing ??= thawOnce().finally(() => {
      thawing = undefined;
    });
    return thawing;
  };
}

/**
 * What `freeze` gives. When it fails, what it began is undone and the reason told, as `explain` puts it; that the thaw failed as well is for
 * the next thaw, which tries again.
 */
export async function orUndone<T>(
  freeze: () => Promise<T>,
  thaw: () => Promise<unknown>,
  tell: (line: string) => void,
  explain: (error: unknown) => Error,
): Promise<T> {
  try {
    return await freeze();
  } catch (error) {
    await thaw().catch((failed: unknown) => tell(detailOf(failed)));
    throw explain(error);
  }
}
