import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSealer, openSealer } from '../../../src/config/secrets.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'stillpoint-secrets-'));
});
afterEach(() => rmSync(home, { recursive: true }));

describe('sealed secrets', () => {
  it('P2 opens what it sealed, for the same purpose only', () => {
    const sealer = createSealer(randomBytes(32));
    const sealed = sealer.seal('pool/1', 'geheim ✓');
    expect(sealed).not.toContain('geheim');
    expect(sealer.seal('pool/1', 'geheim ✓')).not.toBe(sealed);
    expect(sealer.open('pool/1', sealed)).toBe('geheim ✓');
    expect(() => sealer.open('pool/2', sealed)).toThrow('pool/2 cannot be opened');
  });

  it('P2 notices every changed bit and another installation', () => {
    const sealer = createSealer(randomBytes(32));
    const bytes = Buffer.from(sealer.seal('c', 'abc'), 'base64');
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i] = changed[i]! ^ 1;
      expect(() => sealer.open('c', changed.toString('base64'))).toThrow('cannot be opened');
    }
    expect(() => createSealer(randomBytes(32)).open('c', bytes.toString('base64'))).toThrow('cannot be opened');
    expect(() => sealer.open('c', '')).toThrow('cannot be opened');
  });

  it('P2 makes the key once, for its owner only, and refuses one that others may read', () => {
    const file = join(home, 'installation.key');
    const sealed = openSealer(file).seal('c', 'abc');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(openSealer(file).open('c', sealed)).toBe('abc');
    chmodSync(file, 0o640);
    expect(() => openSealer(file)).toThrow('others than its owner');
    writeFileSync(file, 'short');
    expect(() => openSealer(file)).toThrow('holds 5 bytes');
  });
});
