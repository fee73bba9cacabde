// Bytes that go to another thread or are kept for long. A small Buffer is a view of 64 KiB that Node shares among many: a message would carry
// all of it, and whoever keeps the view keeps all of it.

/** The parts, one after the other, in memory of their own. */
export function joined(parts: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
