// The names of one directory while it is walked. A string takes several times the bytes of a name, which counts where there are a million.
import { collector } from '../../base/collect.ts';

/** Up to so many names are simply kept. */
const few = 10_000;

/** Told of the names that are kept as bytes from now on. */
const packed = collector(1, 'major');

/** The names one after the other, each character a byte (latin1). Consumes `names`. */
export function* nameList(names: string[]): Generator<string> {
  if (names.length <= few) {
    yield* names;
    return;
  }
  const bytes = Buffer.allocUnsafeSlow(names.reduce((sum, name) => sum + name.length, 0));
  const ends = new Uint32Array(names.length);
  let end = 0;
  for (const [i, name] of names.entries()) {
    end += bytes.write(name, end, 'latin1');
    ends[i] = end;
  }
  names.length = 0;
  packed(bytes.length);
  let start = 0;
  for (const end of ends) {
    yield bytes.toString('latin1', start, end);
    start = end;
  }
}
