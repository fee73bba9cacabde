// A backend that outlasts passing trouble.
import { backoff, type Patience } from '../base/backoff.ts';
import type { Backend, FileKind, Locking, StoredFile } from '../ports/backend.ts';

/** Wraps any backend: a Transient is tried again, anything else is final. `close` ends the pauses of operations under way. */
export function retrying(backend: Backend, options: Patience = {}): Backend {
  const closing = new AbortController();
  const signal = options.signal === undefined ? closing.signal : AbortSignal.any([options.signal, closing.signal]);
  const patience: Patience = { ...options, signal };

  return {
    location: backend.location,
    connections: backend.connections,
    save: (kind, name, bytes) => backoff(() => backend.save(kind, name, bytes), patience),
    load: (kind, name, range) => backoff(() => backend.load(kind, name, range), patience),
    stat: (kind, name) => backoff(() => backend.stat(kind, name), patience),
    remove: (kind, name) => backoff(() => backend.remove(kind, name), patience),
    ...(backend.dateOf && { dateOf: (kind: FileKind, name: string) => backoff(() => backend.dateOf!(kind, name), patience) }),
    list: (kind) => listing(() => backend.list(kind), patience),
    ...(backend.locking && { locking: patientLocking(backend.locking, patience) }),
    async close() {
      closing.abort();
      await backend.close();
    },
  };
}

/** What was extended before the trouble is known, so that a second try does not do it again. */
function patientLocking(locking: Locking, patience: Patience): Locking {
  return {
    extend: (kind, wanted, signal) => backoff(() => locking.extend(kind, wanted, signal), patience),
    lockedUntil: (kind, name) => backoff(() => locking.lockedUntil(kind, name), patience),
    hide: (kind, name) => backoff(() => locking.hide(kind, name), patience),
    sweep: (signal) => backoff(() => locking.sweep(signal), patience),
  };
}

/** A listing that broke off starts again from its beginning; each file is yielded once. Patience starts anew with each file. */
async function* listing(start: () => AsyncIterable<StoredFile>, patience: Patience): AsyncGenerator<StoredFile> {
  const seen = new Set<string>();
  let files: AsyncIterator<StoredFile> | undefined;
  const next = async () => {
    try {
      files ??= start()[Symbol.asyncIterator]();
      for (;;) {
        const step = await files.next();
        if (step.done || !seen.has(step.value.name)) return step;
      }
    } catch (error) {
      files = undefined;
      throw error;
    }
  };
  try {
    for (;;) {
      const step = await backoff(next, patience);
      if (step.done) return;
      seen.add(step.value.name);
      yield step.value;
    }
  } finally {
    await files?.return?.();
  }
}
