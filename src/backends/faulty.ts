// A backend that misbehaves on purpose at a chosen operation, for tests.
import { Transient } from '../base/backoff.ts';
import { failure } from '../base/errors.ts';
import type { Backend, FileKind } from '../ports/backend.ts';

export type Operation = 'save' | 'load' | 'stat' | 'list' | 'remove';

export interface Call {
  /** 1 for the first operation counted. */
  readonly number: number;
  readonly operation: Operation;
  readonly kind: FileKind;
  /** '' for list. */
  readonly name: string;
}

/**
 * What happens instead of a plain pass:
 * - fail: nothing is done and `error` is thrown.
 * - do-then-fail: it is done and `error` is thrown, as when the answer gets lost.
 * - stall: it never ends, until `close`, which makes it throw `error`.
 * - flip: one bit of what is saved or loaded is turned.
 * - hook: `run` first, then a plain pass.
 */
export type Fault =
  | { readonly type: 'fail' | 'do-then-fail' | 'stall'; readonly error?: Error }
  | { readonly type: 'flip'; readonly bit: number }
  | { readonly type: 'hook'; readonly run: () => void | Promise<void> };

export interface FaultyBackend extends Backend {
  /** Every operation so far, in order. */
  readonly calls: readonly Call[];
}

/** `plan` is asked for each operation before it runs; undefined lets it pass. A listing counts when its first file is asked for. */
export function faulty(backend: Backend, plan: (call: Call) => Fault | undefined): FaultyBackend {
  const calls: Call[] = [];
  const closed = Promise.withResolvers<void>();
  const trouble = () => new Transient(failure('POOL_OFFLINE', { location: backend.location, detail: 'a fault of the test' }));

  const meet = async <T>(operation: Operation, kind: FileKind, name: string, pass: (flip?: number) => Promise<T>): Promise<T> => {
    const call: Call = { number: calls.length + 1, operation, kind, name };
    calls.push(call);
    const fault = plan(call);
    if (fault === undefined) return await pass();
    if (fault.type === 'flip') return await pass(fault.bit);
    if (fault.type === 'hook') {
      await fault.run();
      return await pass();
    }
    if (fault.type === 'do-then-fail') await pass();
    if (fault.type === 'stall') await closed.promise;
    throw fault.error ?? trouble();
  };

  return {
    location: backend.location,
    connections: backend.connections,
    calls,
    save: (kind, name, bytes) => meet('save', kind, name, (flip) => backend.save(kind, name, flipped(bytes, flip))),
    load: (kind, name, range) => meet('load', kind, name, async (flip) => flipped(await backend.load(kind, name, range), flip)),
    stat: (kind, name) => meet('stat', kind, name, () => backend.stat(kind, name)),
    remove: (kind, name) => meet('remove', kind, name, () => backend.remove(kind, name)),
    async *list(kind) {
      yield* await meet('list', kind, '', async () => backend.list(kind));
    },
    async close() {
      closed.resolve();
      await backend.close();
    },
  };
}

/** A fault at the n-th operation (1 for the first) of those that `which` accepts; all others pass. */
export function atOperation(n: number, fault: Fault, which: (call: Call) => boolean = () => true): (call: Call) => Fault | undefined {
  let count = 0;
  return (call) => (which(call) && ++count === n ? fault : undefined);
}

function flipped<T extends Uint8Array>(bytes: T, bit: number | undefined): T {
  if (bit === undefined || bytes.length === 0) return bytes;
  const copy = Buffer.from(bytes);
  const at = Math.floor(bit / 8) % copy.length;
  copy[at] = copy[at]! ^ (1 << (bit % 8));
  return copy as Uint8Array as T;
}
