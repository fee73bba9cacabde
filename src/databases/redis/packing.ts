// Many small texts for the line as few large ones; what is large already is passed on as it is.

export interface Packing {
  add(...pieces: readonly (string | Uint8Array)[]): void;
  /** What was added since the last time. */
  take(): Uint8Array[];
}

const size = 256 * 1024;
const large = 64 * 1024;

/** Texts are ASCII. */
export function packing(): Packing {
  let full: Uint8Array[] = [];
  let open = Buffer.allocUnsafe(size);
  let from = 0;
  let to = 0;
  const close = () => {
    if (to > from) full.push(open.subarray(from, to));
    from = to;
  };
  return {
    add: (...pieces) => {
      for (const piece of pieces) {
        if (piece.length > large && typeof piece !== 'string') {
          close();
          full.push(piece);
          continue;
        }
        if (to + piece.length > size) {
          close();
          open = Buffer.allocUnsafe(size);
          from = to = 0;
        }
        if (typeof piece === 'string') to += open.write(piece, to, 'latin1');
        else {
          open.set(piece, to);
          to += piece.length;
        }
      }
    },
    take: () => {
      close();
      const taken = full;
      full = [];
      return taken;
    },
  };
}
