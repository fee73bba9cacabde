// Keys of objects as names of files and back, so that every backup of a bucket is also a tree of files that any file system takes.
//
// A key is cut at its slashes. In a name `%` is written %25 and NUL %00; `.` and `..` are %2E and %2E%2E. A bare % at the end of a name says
// nothing: it stands for an empty part (`a//b`, `a/`), and it keeps a key apart from the directory of the same name (`a` beside `a/b`). A
// name that ends in %+ goes on in the next one, without a slash between them: so long parts stay below the 255 bytes of a file name.

/** The sentence for whoever finds the tree without this program. */
export const namesRule =
  'The path below objects/ is the key: %25 is %, %00 is NUL, %2E is a dot; a bare % at the end of a name is nothing; a name that ends in %+ goes on in the next one without a slash.';

/** Bytes of one name, without what is put behind it. */
const longest = 240;

/** The names, outermost first, that stand for a part of a key which is a directory. */
export function directoryNames(part: string): readonly string[] {
  return chain(escaped(part));
}

/** The same for the last part of a key. `taken`: there is a directory of that name, too. */
export function objectNames(part: string, taken: boolean): readonly string[] {
  const names = chain(escaped(part));
  return taken || names.length > 1 ? markedLast(names) : names;
}

/** The directory that holds the older versions of a key. */
export function versionNames(part: string): readonly string[] {
  return markedLast(chain(escaped(part)));
}

/** Whether a part of a key is a name as it is, in the order of its own bytes. */
export function isPlain(part: string): boolean {
  return !/[%\0]/.test(part) && !['', '.', '..'].includes(part) && Buffer.byteLength(part) <= longest;
}

/** What a name adds to the key of the directory that it is in. */
export function keyPart(name: string, directory: boolean): string {
  const text = name.replace(/%\+?$/, '').replace(/%+$/, '');
  const part = text.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return directory && !name.endsWith('%+') ? `${part}/` : part;
}

function escaped(part: string): string {
  if (part === '') return '%';
  if (part === '.' || part === '..') return part.replaceAll('.', '%2E');
  return part.replaceAll('%', '%25').replaceAll('\0', '%00');
}

function chain(name: string): readonly string[] {
  if (Buffer.byteLength(name) <= longest) return [name];
  const pieces = [''];
  for (const [sign] of name.matchAll(/%[0-9A-F]{2}|./gsu)) {
    if (Buffer.byteLength(pieces.at(-1)! + sign) > longest) pieces.push('');
    pieces[pieces.length - 1] += sign;
  }
  return pieces.map((piece, i) => {
    if (i < pieces.length - 1) return `${piece}%+`;
    return piece === '.' || piece === '..' ? piece.replaceAll('.', '%2E') : piece;
  });
}

const markedLast = (names: readonly string[]): readonly string[] => [...names.slice(0, -1), `${names.at(-1)}%`];

/** As S3 orders keys: by the bytes of UTF-8, which is not how JavaScript compares. */
export const before = (a: string, b: string): boolean => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
