// Which keys a pattern means: the rules of KEYS, on bytes.

const [star, question, open, close, caret, dash, backslash] = [...Buffer.from('*?[]^-\\')] as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

export function matcher(pattern: string): (key: Buffer) => boolean {
  const glob = Buffer.from(pattern);
  return (key) => {
    let at = 0;
    let p = 0;
    /** Where to go on when it does not fit: behind the last star, one byte further. */
    let retry: { readonly p: number; at: number } | undefined;
    for (;;) {
      if (p < glob.length && glob[p] === star) {
        retry = { p: ++p, at };
        continue;
      }
      if (at === key.length && p === glob.length) return true;
      const next = p < glob.length && at < key.length ? fits(glob, p, key[at]!) : undefined;
      if (next !== undefined) {
        p = next;
        at++;
        continue;
      }
      if (retry === undefined || retry.at >= key.length) return false;
      at = ++retry.at;
      p = retry.p;
    }
  };
}

/** The place behind the part of the pattern at `p` if that part means `byte`. */
function fits(glob: Buffer, p: number, byte: number): number | undefined {
  const part = glob[p]!;
  if (part === question) return p + 1;
  if (part === open) return fitsClass(glob, p + 1, byte);
  const literal = part === backslash && p + 1 < glob.length ? p + 1 : p;
  return glob[literal] === byte ? literal + 1 : undefined;
}

function fitsClass(glob: Buffer, start: number, byte: number): number | undefined {
  let p = start;
  const not = glob[p] === caret;
  if (not) p++;
  let found = false;
  // One that is not closed ends with the pattern.
  for (; p < glob.length && glob[p] !== close; p++) {
    if (glob[p] === backslash && p + 1 < glob.length) {
      p++;
      found ||= glob[p] === byte;
    } else if (p + 2 < glob.length && glob[p + 1] === dash) {
      const [one, other] = [glob[p]!, glob[p + 2]!];
      found ||= byte >= Math.min(one, other) && byte <= Math.max(one, other);
      p += 2;
    } else found ||= glob[p] === byte;
  }
  return found === not ? undefined : Math.min(p + 1, glob.length);
}
