import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isCode } from '../../../src/base/errors.ts';
import { cipherOf, envelopeOverhead, generateMasterKey } from '../../../src/repository/crypto.ts';
import { decodeHeader, encodeHeader, headerSize, type PackedBlob, packSize } from '../../../src/repository/pack.ts';
import { isIrreducible, isValidPolynomial, randomPolynomial } from '../../../src/repository/polynomial.ts';
import { openFile, sealFile } from '../../../src/repository/unpacked.ts';
import { bigZeroBlock, isZero, zeroBlock, zeroLengths } from '../../../src/repository/zero.ts';
import { compress, compressShared, decompress, decompressShared, looksCompressible } from '../../../src/repository/zstd.ts';

const damaged = (step: () => unknown) => {
  try {
    step();
  } catch (error) {
    return isCode(error, 'REPO_DAMAGED');
  }
  return false;
};

describe('envelopes', () => {
  const cipher = cipherOf(generateMasterKey());

  it('P6 open what was sealed, never the same twice, and notice every flipped bit', () => {
    const plain = randomBytes(1000);
    const sealed = cipher.seal(plain);
    expect(sealed).toHaveLength(plain.length + envelopeOverhead);
    expect(cipher.open(sealed, 'pack', 'x').equals(plain)).toBe(true);
    expect(cipher.seal(plain).equals(sealed)).toBe(false);
    for (const at of [0, 15, 16, 500, 1015, 1016, 1031]) {
      const bad = Buffer.from(sealed);
      bad[at]! ^= 1;
      expect(damaged(() => cipher.open(bad, 'pack', 'x'))).toBe(true);
    }
    expect(damaged(() => cipherOf(generateMasterKey()).open(sealed, 'pack', 'x'))).toBe(true);
    expect(damaged(() => cipher.open(Buffer.alloc(31), 'pack', 'x'))).toBe(true);
  });

  it('P6 no IV is used twice in a hundred thousand messages', () => {
    const seen = new Set<string>();
    for (let n = 0; n < 100_000; n++) seen.add(cipher.seal(Buffer.alloc(1)).toString('latin1', 0, 16));
    expect(seen.size).toBe(100_000);
  });
});

describe('pack headers', () => {
  const cipher = cipherOf(generateMasterKey());
  const blobs: PackedBlob[] = [
    { id: randomBytes(32), type: 'data', offset: 0, length: 100, plainLength: 0 },
    { id: randomBytes(32), type: 'data', offset: 100, length: 200, plainLength: 4000 },
    { id: randomBytes(32), type: 'tree', offset: 300, length: 50, plainLength: 90 },
  ];
  const pack = Buffer.concat([Buffer.alloc(350), encodeHeader(blobs, cipher)]);

  it('P7 tell what was written', () => {
    expect(pack).toHaveLength(packSize(blobs));
    const back = decodeHeader(pack, pack.length, 'p', cipher);
    expect(back).toEqual(blobs);
    expect(decodeHeader(pack.subarray(pack.length - 10), pack.length, 'p', cipher)).toEqual({ need: headerSize(blobs) });
  });

  it('P7 that do not fit the file are damage', () => {
    expect(damaged(() => decodeHeader(pack, pack.length + 1, 'p', cipher))).toBe(true);
    const cut = Buffer.from(pack);
    cut.writeUInt32LE(0xffff_fff0, cut.length - 4);
    expect(damaged(() => decodeHeader(cut, cut.length, 'p', cipher))).toBe(true);
    expect(damaged(() => decodeHeader(Buffer.alloc(3), 3, 'p', cipher))).toBe(true);
  });
});

describe('unpacked files', () => {
  const cipher = cipherOf(generateMasterKey());
  it('P7 of both versions open; a name that does not fit is damage', () => {
    for (const version of [1, 2]) {
      const json = Buffer.from('{"a":1}');
      const { name, bytes } = sealFile('index', json, cipher, version);
      expect(openFile('index', name, bytes, cipher).equals(json)).toBe(true);
      expect(damaged(() => openFile('index', '0'.repeat(64), bytes, cipher))).toBe(true);
    }
  });
});

describe('zstd', () => {
  it('P7 comes back as it was, whatever came before, and refuses what is damaged or too long', () => {
    for (const plain of [Buffer.from('a'), randomBytes(5000), Buffer.alloc(3 << 20, 'abc'), Buffer.from('b'), Buffer.alloc(9 << 20, 1)]) {
      const packed = compress(plain, 'auto');
      expect(decompress(packed, plain.length).equals(plain)).toBe(true);
      expect(() => decompressShared(packed, plain.length - 1)).toThrow();
    }
    const packed = compress(Buffer.alloc(100_000, 'text '), 'auto');
    const bad = Buffer.from(packed);
    bad[6]! ^= 0xff;
    expect(() => decompress(bad, 100_000)).toThrow();
    expect(decompress(packed, 100_000)).toHaveLength(100_000); // the engine works on after damage
  });

  it('P7 results that share memory are overwritten by the next call only', () => {
    const first = compressShared(Buffer.alloc(1000, 'x'), 'auto');
    const copy = Buffer.from(first);
    decompressShared(copy, 1000);
    expect(first.equals(copy)).toBe(true);
  });

  it('P7 does not try what will not shrink', () => {
    expect(looksCompressible(randomBytes(1 << 20))).toBe(false);
    expect(looksCompressible(Buffer.alloc(1 << 20, 'text '))).toBe(true);
    expect(looksCompressible(Buffer.alloc(0))).toBe(false);
  });
});

describe('polynomials', () => {
  it('P7 restic’s own example is valid, random ones are, products are not', () => {
    expect(isValidPolynomial('3da3358b4dc173')).toBe(true);
    const made = randomPolynomial();
    expect(isValidPolynomial(made)).toBe(true);
    expect(isIrreducible(BigInt(`0x${made}`) << 1n)).toBe(false);
    expect(isIrreducible(0b101n)).toBe(false); // (x+1)²
    expect(isIrreducible(0b111n)).toBe(true);
    for (const bad of ['', 'zz', '1', '3da3358b4dc172', '0x3da3358b4dc173']) expect(isValidPolynomial(bad)).toBe(false);
  });
});

describe('zero stretches', () => {
  it('S1 are made of 512 KiB and 4 MiB blocks, with a 512 KiB one whenever it fits', () => {
    for (const length of [1, zeroBlock - 1, zeroBlock, 1 << 20, bigZeroBlock, bigZeroBlock + 5, 100 * bigZeroBlock + 12_345]) {
      const lengths = zeroLengths(length);
      expect(lengths.reduce((sum, n) => sum + n, 0)).toBe(length);
      expect(lengths.includes(zeroBlock)).toBe(length >= zeroBlock);
    }
    expect(zeroLengths(0)).toEqual([]);
  });

  it('S1 are told from data by every byte', () => {
    const bytes = Buffer.alloc(5 << 20);
    expect(isZero(bytes)).toBe(true);
    for (const at of [0, 1, 4 << 20, (5 << 20) - 2, (5 << 20) - 1]) {
      bytes[at] = 1;
      expect(isZero(bytes)).toBe(false);
      bytes[at] = 0;
    }
  });
});
