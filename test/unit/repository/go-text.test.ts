import { expect, test } from 'vitest';
import { isPrintable } from '../../../src/repository/go-printable.ts';
import { jsonBytes, jsonName, jsonString, jsonValue, quote, unquote } from '../../../src/repository/go-text.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

// What Go's strconv.Quote makes of raw bytes, without its outer quotes; restic 0.14 was seen to write each of them (test/interop).
const quoted: readonly (readonly [Buffer, string])[] = [
  [bytes('plain name-1.txt'), 'plain name-1.txt'],
  [bytes('a"b\\c\'d'), 'a\\"b\\\\c\'d'],
  [bytes('\x07\b\t\n\v\f\r'), '\\a\\b\\t\\n\\v\\f\\r'],
  [bytes('\x01\x1b\x7f'), '\\x01\\x1b\\x7f'],
  [bytes('\xff\xc3'), '\\xff\\xc3'],
  [bytes('\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82x'), '\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xe2\\x82x'],
  [bytes('\xf0\x80\x80\xaf\xe0\x80\x80'), '\\xf0\\x80\\x80\\xaf\\xe0\\x80\\x80'],
  [Buffer.from('größe 名前 😀 \ufffd'), 'größe 名前 😀 \ufffd'],
  [Buffer.from('\u00a0\u00ad\u2028\u2029\ufeff\u3000\u200b'), '\\u00a0\\u00ad\\u2028\\u2029\\ufeff\\u3000\\u200b'],
  [Buffer.from('\u{e0001}\u{f0000}\u{10ffff}\ue000\u0378'), '\\U000e0001\\U000f0000\\U0010ffff\\ue000\\u0378'],
  [Buffer.from('<&>'), '<&>'],
];

test.each(quoted)('P7 a name is quoted as strconv.Quote does (%#)', (raw, text) => {
  expect(quote(raw)).toBe(text);
  expect(unquote(text)?.equals(raw)).toBe(true);
});

test('P7 a quoted name is escaped once more as encoding/json does', () => {
  expect(jsonName(Buffer.from('a<b>&"\\\n\u2028é'))).toBe('"a\\u003cb\\u003e\\u0026\\\\\\"\\\\\\\\\\\\n\\\\u2028é"');
  expect(jsonName(Buffer.from('simple'))).toBe('"simple"');
});

test('P7 any bytes survive quoting', () => {
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 20_000; round++) {
    const raw = Buffer.from(
      Array.from({ length: 1 + random(12) }, () => (random(2) ? random(256) : [0xe2, 0x80, 0xa8, 0xf0, 0x9f, 0x5c, 0x22][random(7)]!)),
    );
    const text: string = JSON.parse(jsonName(raw));
    expect(text).toBe(quote(raw));
    if (!unquote(text)?.equals(raw)) expect.fail(`${raw.toString('hex')} became ${text}`);
  }
});

test('P7 every escape that strconv.Unquote knows is read', () => {
  expect(unquote('\\101\\377\\000')).toEqual(Buffer.of(0x41, 0xff, 0));
  expect(unquote('\\x41\\xFF\\u00e9\\u00E9\\U0001F600')).toEqual(Buffer.concat([Buffer.of(0x41, 0xff), Buffer.from('éé😀')]));
  expect(unquote('\ud800x')).toEqual(Buffer.from('\ufffdx'));
});

test.each(['a"b', 'a\nb', '\\', '\\q', "\\'", '\\x4', '\\xg0', '\\400', '\\12', '\\u12', '\\ud800', '\\U00110000', '\\U0000'])(
  'P7 what strconv.Unquote refuses is refused: %j',
  (text) => {
    expect(unquote(text)).toBeUndefined();
  },
);

test('P7 JSON strings are those of Go, not of JSON.stringify', () => {
  expect(jsonString('<a> & \u2028\u2029')).toBe('"\\u003ca\\u003e \\u0026 \\u2028\\u2029"');
  expect(jsonString('"\\\b\f\n\r\t\x01\x7f')).toBe('"\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f"');
  expect(jsonString('\ud800')).toBe('"\ufffd"');
  expect(jsonBytes(bytes('t\xff\xfe<\xc3\xa9\xe2\x82'))).toBe('"t\\ufffd\\ufffd\\u003cé\\ufffd\\ufffd"');
  expect(jsonValue({ b: ['<'], a: undefined, c: 0 })).toBe('{"b":["\\u003c"],"c":0}');
});

test('P7 the table of printable characters is that of Unicode 15.0', () => {
  let count = 0;
  for (let point = 0; point <= 0x10ffff; point++) if (isPrintable(point)) count++;
  // Unicode 15.0 has 149,186 graphic and format characters (its release notes); of these 170 are format characters (Cf), 17 spaces (Zs)
  // and two separators (Zl, Zp); of the spaces the ASCII one counts.
  expect(count).toBe(149_186 - 170 - 17 - 2 + 1);
  expect([0x1f, 0x7f, 0x80, 0xa0, 0xad, 0x378, 0x2028, 0xd800, 0xe000, 0xfeff, 0xfffe, 0x10ffff].filter(isPrintable)).toEqual([]);
  const printable = [0x20, 0x7e, 0xa1, 0xff, 0x301, 0x4e00, 0x9fff, 0xac00, 0xfffd, 0x1f600, 0x20000, 0x323af, 0xe0100];
  expect(printable.every(isPrintable)).toBe(true);
});

test('P7 characters that came with Unicode 14 and 15 are written as they are, later ones escaped, and either form is read', () => {
  for (const character of ['\u{8b5}', '\u{1fae8}', '\u{31350}']) {
    expect(quote(Buffer.from(character))).toBe(character);
    // restic up to 0.16 was built with a Go that knows Unicode 13 only.
    const hex = character.codePointAt(0)!.toString(16);
    const older = hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
    expect(unquote(older)?.toString()).toBe(character);
  }
  expect(quote(Buffer.from('\u{1fae9}'))).toBe('\\U0001fae9'); // Unicode 16
  expect(unquote('\u{1fae9}')?.toString()).toBe('\u{1fae9}');
});
