// Node 26.9 has crypto.createMac; the published types do not know it yet.
// Source: Node.js documentation, crypto.createMac(algorithm, key[, options]).
import 'node:crypto';

declare module 'node:crypto' {
  interface Mac {
    update(data: Uint8Array): this;
    final(): Buffer;
  }
  function createMac(algorithm: 'poly1305', key: Uint8Array): Mac;
}
