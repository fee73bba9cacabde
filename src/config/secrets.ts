// Secrets of this installation are kept sealed: AES-256-GCM with a key that lies in conf/, apart from the database.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { errnoOf, fail } from '../base/errors.ts';
import { writePrivateFile } from './private-file.ts';

/** The context of what agentcli encpwd seals for freeze scripts. */
export const scriptPasswordContext = 'script/password';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const version = 1;

export interface Sealer {
  /** `context` says what the secret is for (`vault/<id>/password`); the same context is needed to open it. */
  seal(context: string, secret: string): string;
  /** Throws SECRET_UNREADABLE if it was sealed by another installation, for another context, or was changed. */
  open(context: string, sealed: string): string;
  /** A hash that only this installation can compute, so that a weak secret inside `text` cannot be guessed from it. */
  fingerprint(text: string): string;
  /** A key of 32 bytes of its own for each purpose (HKDF), for what only this installation can have written. */
  derive(purpose: string): Buffer;
}

/** Reads the installation's key; at the very first start one is made. Throws CONFIG_INVALID if it is no key or others may read it. */
export function openSealer(keyFile: string): Sealer {
  return createSealer(readOrMakeKey(keyFile));
}

export function createSealer(key: Buffer): Sealer {
  return {
    seal(context, secret) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
      cipher.setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
      return Buffer.concat([Buffer.of(version), nonce, cipher.getAuthTag(), body]).toString('base64');
    },
    open(context, sealed) {
      const bytes = Buffer.from(sealed, 'base64');
      try {
        if (bytes[0] !== version) throw new Error(`sealed with version ${bytes[0]}`);
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, 1 + nonceBytes), { authTagLength: tagBytes });
        decipher.setAAD(Buffer.from(context));
        decipher.setAuthTag(bytes.subarray(1 + nonceBytes, 1 + nonceBytes + tagBytes));
        return Buffer.concat([decipher.update(bytes.subarray(1 + nonceBytes + tagBytes)), decipher.final()]).toString('utf8');
      } catch (error) {
        fail('SECRET_UNREADABLE', { what: context }, { cause: error });
      }
    },
    fingerprint: (text) => createHmac('sha256', key).update('fingerprint\0').update(text).digest('hex'),
    derive: (purpose) => Buffer.from(hkdfSync('sha256', key, '', `stillpoint ${purpose}`, keyBytes)),
  };
}

function readOrMakeKey(file: string): Buffer {
  try {
    const key = readFileSync(file);
    if (key.length !== keyBytes) fail('CONFIG_INVALID', { file, detail: `it holds ${key.length} bytes instead of ${keyBytes}` });
    if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0)
      fail('CONFIG_INVALID', { file, detail: 'others than its owner may read it (chmod 600)' });
    return key;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const key = randomBytes(keyBytes);
  writePrivateFile(file, key);
  return key;
}
