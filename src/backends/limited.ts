// A backend under a bandwidth limit, for adapters that move a file in one call: the bytes are paid for before they move, piece by piece.
// Where an adapter streams (S3) it takes from the limit itself, per piece on the wire.
import type { Limit } from '../base/limit.ts';
import type { Backend } from '../ports/backend.ts';

export function limited(backend: Backend, limit: Limit): Backend {
  return {
    location: backend.location,
    connections: backend.connections,
    async save(kind, name, bytes) {
      await pay(limit, bytes.length);
      await backend.save(kind, name, bytes);
    },
    async load(kind, name, range) {
      if (range !== undefined) {
        await pay(limit, range.length);
        return await backend.load(kind, name, range);
      }
      const bytes = await backend.load(kind, name);
      await pay(limit, bytes.length);
      return bytes;
    },
    stat: (kind, name) => backend.stat(kind, name),
    list: (kind) => backend.list(kind),
    ...(backend.dateOf && { dateOf: backend.dateOf }),
    remove: (kind, name) => backend.remove(kind, name),
    close: () => backend.close(),
  };
}

async function pay(limit: Limit, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const piece = Math.min(left, limit.grain());
    await limit.take(piece);
    left -= piece;
  }
}
