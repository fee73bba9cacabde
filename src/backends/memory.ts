// A backend in memory, for tests: the same law, no disk.
import { fail } from '../base/errors.ts';
import type { Backend, FileKind } from '../ports/backend.ts';
import { keyOf } from './layout.ts';

export interface MemoryBackend extends Backend {
  /** What is stored, by key in the default layout (`data/ab/ab…`); tests may look at it and damage it. */
  readonly files: Map<string, Buffer>;
}

export function memoryBackend(location = 'memory'): MemoryBackend {
  const files = new Map<string, Buffer>();
  const read = (kind: FileKind, name: string) => files.get(keyOf(kind, name)) ?? fail('BACKEND_NOT_FOUND', { kind, name, location });

  return {
    location,
    connections: 4,
    files,
    async save(kind, name, bytes) {
      files.set(keyOf(kind, name), Buffer.from(bytes));
    },
    async load(kind, name, range) {
      const bytes = read(kind, name);
      if (range === undefined) return Buffer.from(bytes);
      if (range.offset + range.length > bytes.length) fail('BACKEND_SHORT', { kind, name, location });
      return Buffer.from(bytes.subarray(range.offset, range.offset + range.length));
    },
    async stat(kind, name) {
      return { name, size: read(kind, name).length };
    },
    async *list(kind) {
      const start = kind === 'config' ? 'config' : `${kind}/`;
      for (const [key, bytes] of [...files]) {
        if (key.startsWith(start)) yield { name: key.slice(key.lastIndexOf('/') + 1), size: bytes.length };
      }
    },
    async remove(kind, name) {
      files.delete(keyOf(kind, name));
    },
    async close() {},
  };
}
