// Text as Go writes it, byte for byte: strconv.Quote and Unquote for file names, encoding/json for every string. restic refuses to
// rewrite a tree whose bytes differ from what it would write itself. Sources: Go's strconv/quote.go and encoding/json (as of Go 1.22,
// the first that writes \b and \f short in JSON; strconv writes DEL as \x7f since 1.19), restic's internal/data/node.go.
import { isUtf8 } from 'node:buffer';
import { isPrintable } from './go-printable.ts';

/** ASCII that stands for itself in both, so that most names need one look only. */
const plain = /^[ !#-%'-;=?-[\]-~]*$/;
/** What encoding/json escapes beyond JSON.stringify (HTML safety, JavaScript line ends). */
const htmlUnsafe = /[<>&\u2028\u2029]/g;

const unicodeEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A JSON string with its quotes. Lone surrogates become U+FFFD, as in any Go program that decoded them. */
export function jsonString(text: string): string {
  if (plain.test(text)) return `"${text}"`;
  return JSON.stringify(text.toWellFormed()).replace(htmlUnsafe, unicodeEscape);
}

/** Any value as encoding/json writes a struct with the same keys in the same order; undefined members are left out. */
export const jsonValue = (value: unknown): string =>
  JSON.stringify(value, (_key, member) => (typeof member === 'string' ? member.toWellFormed() : member)).replace(htmlUnsafe, unicodeEscape);

/** A JSON string of raw bytes: every byte that belongs to no valid UTF-8 sequence becomes the escape \ufffd. */
export function jsonBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return jsonString(bytes.toString('utf8'));
  let out = '"';
  for (let at = 0; at < bytes.length; ) {
    const rune = runeAt(bytes, at);
    out += rune < 0 ? '\\ufffd' : jsonString(String.fromCodePoint(rune)).slice(1, -1);
    at += widthOf(rune);
  }
  return `${out}"`;
}

/** A file name as a tree holds it: quoted by strconv, then again by JSON. With its quotes. */
export function jsonName(name: Buffer): string {
  const text = name.toString('latin1');
  return plain.test(text) ? `"${text}"` : jsonString(quote(name));
}

const letterEscapes: Readonly<Record<number, string>> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};

/** strconv.Quote of raw bytes, without the quotes around it. */
export function quote(bytes: Buffer): string {
  let out = '';
  for (let at = 0; at < bytes.length; ) {
    const rune = runeAt(bytes, at);
    out += rune < 0 ? byteEscape(bytes[at]!) : (letterEscapes[rune] ?? (isPrintable(rune) ? String.fromCodePoint(rune) : runeEscape(rune)));
    at += widthOf(rune);
  }
  return out;
}

const byteEscape = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`;

function runeEscape(rune: number): string {
  if (rune < 0x80) return byteEscape(rune);
  return rune < 0x10000 ? `\\u${rune.toString(16).padStart(4, '0')}` : `\\U${rune.toString(16).padStart(8, '0')}`;
}

/** The code point that begins at `at`, or -1 if no valid UTF-8 sequence does; that one byte then stands alone, as in Go's utf8 package. */
function runeAt(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return first;
  if (first < 0xc2 || first > 0xf4) return -1;
  const more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  if (at + more >= bytes.length) return -1;
  let rune = first & (0x3f >> more);
  for (let place = at + 1; place <= at + more; place++) {
    const byte = bytes[place]!;
    if ((byte & 0xc0) !== 0x80) return -1;
    rune = (rune << 6) | (byte & 0x3f);
  }
  const overlong = more === 2 ? rune < 0x800 : more === 3 && rune < 0x10000;
  return overlong || isSurrogate(rune) || rune > 0x10ffff ? -1 : rune;
}

const isSurrogate = (rune: number): boolean => rune >= 0xd800 && rune <= 0xdfff;

/** Bytes that a result of runeAt() covers. */
const widthOf = (rune: number): number => (rune < 0x80 ? 1 : rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4);

const escaped = /\\(?:([abfnrtv\\"])|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;
const letters: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 0x22, '\\': 0x5c };

/** strconv.Unquote of a text without the quotes around it; undefined where Go would answer ErrSyntax. */
export function unquote(text: string): Buffer | undefined {
  if (!/[\\"\n]/.test(text)) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (let at = 0; at < text.length; ) {
    const next = text.indexOf('\\', at);
    const run = text.slice(at, next < 0 ? text.length : next);
    if (/["\n]/.test(run)) return undefined;
    if (run !== '') parts.push(Buffer.from(run, 'utf8'));
    if (next < 0) break;
    escaped.lastIndex = next;
    const match = escaped.exec(text);
    const bytes = match && escapeBytes(match);
    if (!bytes) return undefined;
    parts.push(bytes);
    at = escaped.lastIndex;
  }
  return Buffer.concat(parts);
}

function escapeBytes([, letter, hex, octal, short, long]: readonly (string | undefined)[]): Buffer | undefined {
  if (letter !== undefined) return Buffer.of(letters[letter]!);
  if (hex !== undefined) return Buffer.of(Number.parseInt(hex, 16));
  if (octal !== undefined) return Buffer.of(Number.parseInt(octal, 8));
  const rune = Number.parseInt((short ?? long)!, 16);
  return rune > 0x10ffff || isSurrogate(rune) ? undefined : Buffer.from(String.fromCodePoint(rune), 'utf8');
}
