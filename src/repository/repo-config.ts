// The config file: format version, id, chunker polynomial; encrypted, never compressed. Source: restic doc/design.rst "Repository Layout".
import { randomBytes } from 'node:crypto';
import { fail, isCode } from '../base/errors.ts';
import type { Backend } from '../ports/backend.ts';
import type { Cipher } from './crypto.ts';
import { isValidPolynomial, randomPolynomial } from './polynomial.ts';

export interface RepoConfig {
  readonly version: number;
  /** 64 hex digits. */
  readonly id: string;
  readonly polynomial: string;
}

export async function createConfig(backend: Backend, cipher: Cipher): Promise<RepoConfig> {
  const config = { version: 2, id: randomBytes(32).toString('hex'), polynomial: randomPolynomial() };
  const json = JSON.stringify({ version: config.version, id: config.id, chunker_polynomial: config.polynomial });
  await backend.save('config', 'config', cipher.seal(Buffer.from(json)));
  return config;
}

/** The stored bytes of config. Throws REPO_NOT_FOUND. */
export async function readConfigFile(backend: Backend): Promise<Buffer> {
  try {
    return await backend.load('config', 'config');
  } catch (error) {
    if (isCode(error, 'BACKEND_NOT_FOUND')) fail('REPO_NOT_FOUND', { location: backend.location }, { cause: error });
    throw error;
  }
}

/** Throws REPO_CONFIG, REPO_VERSION. */
export function decodeConfig(bytes: Buffer, cipher: Cipher, location: string): RepoConfig {
  let raw: { version?: unknown; id?: unknown; chunker_polynomial?: unknown };
  try {
    raw = JSON.parse(cipher.open(bytes, 'config', 'config').toString('utf8'));
  } catch (cause) {
    return fail('REPO_CONFIG', { location, detail: 'it cannot be decrypted or is no JSON' }, { cause });
  }
  if (raw.version !== 1 && raw.version !== 2) fail('REPO_VERSION', { location, version: String(raw.version) });
  if (typeof raw.chunker_polynomial !== 'string' || !isValidPolynomial(raw.chunker_polynomial))
    fail('REPO_CONFIG', { location, detail: 'its chunker polynomial is invalid' });
  return { version: raw.version, id: String(raw.id), polynomial: raw.chunker_polynomial };
}
