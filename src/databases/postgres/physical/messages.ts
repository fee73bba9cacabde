// The messages of BASE_BACKUP (PostgreSQL 15 and later): archives one after another, then the manifest.

export type Part =
  | { readonly kind: 'archive'; readonly name: string; readonly bytes: AsyncIterable<Buffer> }
  | { readonly kind: 'manifest'; readonly bytes: AsyncIterable<Buffer> };

const [archive, manifest, data] = [0x6e, 0x6d, 0x64];

/** Each part has to be read to its end before the next. */
export async function* partsOf(messages: AsyncIterable<Buffer>): AsyncGenerator<Part> {
  const reader = messages[Symbol.asyncIterator]();
  let head: Buffer | undefined;
  const next = async () => {
    const { value, done } = await reader.next();
    head = done ? undefined : value;
  };
  async function* bytes(): AsyncGenerator<Buffer> {
    for (await next(); head; await next()) {
      if (head[0] === data) yield head.subarray(1);
      else if (head[0] === archive || head[0] === manifest) return;
    }
  }
  await next();
  while (head) {
    const current: Buffer = head;
    if (current[0] === archive)
      yield { kind: 'archive', name: current.subarray(1, current.indexOf(0, 1)).toString('utf8'), bytes: bytes() };
    else if (current[0] === manifest) yield { kind: 'manifest', bytes: bytes() };
    else await next();
  }
}
