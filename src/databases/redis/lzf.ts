// LZF, in which Redis keeps long names.

/** Throws for bytes that are not `size` bytes packed. */
export function unpackLzf(packed: Buffer, size: number): Buffer {
  const plain = Buffer.alloc(size);
  let to = 0;
  for (let at = 0; at < packed.length; ) {
    const control = packed[at++]!;
    if (control < 32) {
      const length = control + 1;
      if (at + length > packed.length || to + length > size) throw new Error('packed text is damaged');
      packed.copy(plain, to, at, at + length);
      at += length;
      to += length;
      continue;
    }
    let length = (control >> 5) + 2;
    if (length === 9) length += packed[at++] ?? 0;
    let from = to - ((control & 31) << 8) - (packed[at++] ?? 0) - 1;
    if (from < 0 || to + length > size) throw new Error('packed text is damaged');
    // Byte by byte: what is copied may reach into what this copy has just written.
    for (; length > 0; length--) plain[to++] = plain[from++]!;
  }
  if (to !== size) throw new Error('packed text is damaged');
  return plain;
}
