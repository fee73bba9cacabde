// What a program that failed to make or remove an image means to an operator.
import { failure, StillpointError } from '../base/errors.ts';

/** Node has no name for EDQUOT (122, include/uapi/asm-generic/errno.h). */
const full =
  /no space left|unknown system error -122|insufficient (?:free|suitable) |exceeds the .*(?:free|available)|out of data space|disk quota exceeded/i;

export const detailOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** SNAPSHOT_NO_SPACE or SNAPSHOT_FAILED. */
export function notTaken(path: string, error: unknown): StillpointError {
  if (error instanceof StillpointError) return error;
  const detail = detailOf(error);
  return failure(full.test(detail) ? 'SNAPSHOT_NO_SPACE' : 'SNAPSHOT_FAILED', { path, detail }, { cause: error });
}

export function notRemoved(name: string, error: unknown): StillpointError {
  if (error instanceof StillpointError) return error;
  return failure('SNAPSHOT_REMOVE_FAILED', { name, detail: detailOf(error) }, { cause: error });
}

/** Does all of it whatever fails, and then throws the first trouble. */
export async function eachOf<T>(items: Iterable<T>, work: (item: T) => Promise<void> | void): Promise<void> {
  let first: { readonly error: unknown } | undefined;
  for (const item of items) {
    try {
      await work(item);
    } catch (error) {
      first ??= { error };
    }
  }
  if (first) throw first.error;
}
