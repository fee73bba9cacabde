// Text lines out of a byte stream. Unlike node:readline it passes the stream's errors on, so a cut stream never looks like its end.
import { StringDecoder } from 'node:string_decoder';

/** Yields complete lines without their end; a last line without newline is yielded too. Throws what the stream fails with. */
export async function* linesOf(stream: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const part of stream) {
    rest += typeof part === 'string' ? part : decoder.write(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
    let from = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', from)) {
      yield rest.slice(from, rest[end - 1] === '\r' ? end - 1 : end);
      from = end + 1;
    }
    rest = rest.slice(from);
  }
  rest += decoder.end();
  if (rest !== '') yield rest;
}
