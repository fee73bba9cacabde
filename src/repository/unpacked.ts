// The encrypted files that are no packs: index, records, locks. Stored name = SHA-256 of the stored bytes; plain text = 0x02 + zstd frame of
// JSON in format 2, bare JSON in format 1. Source: restic doc/design.rst "Unpacked Data Format".
import { hash } from 'node:crypto';
import { fail } from '../base/errors.ts';
import type { Backend, FileKind } from '../ports/backend.ts';
import type { Cipher } from './crypto.ts';
import { compress, decompress } from './zstd.ts';

/** No index or record comes near this (bytes). */
const limit = 2 ** 30;

export interface SealedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The stored form of `json`, checked to read back before anybody sends it anywhere. */
export function sealFile(kind: FileKind, json: Buffer, cipher: Cipher, version: number): SealedFile {
  const plain = version >= 2 ? Buffer.concat([Buffer.of(2), compress(json, 'auto')]) : json;
  const bytes = cipher.seal(plain);
  const name = hash('sha256', bytes, 'hex');
  if (!openFile(kind, name, bytes, cipher).equals(json)) fail('REPO_DAMAGED', { kind, name, detail: 'it does not read back as written' });
  return { name, bytes };
}

/** Throws REPO_DAMAGED. */
export function openFile(kind: FileKind, name: string, bytes: Buffer, cipher: Cipher): Buffer {
  if (hash('sha256', bytes, 'hex') !== name) fail('REPO_DAMAGED', { kind, name, detail: 'its content does not match its name' });
  const plain = cipher.open(bytes, kind, name);
  if (plain[0] === 0x7b || plain[0] === 0x5b) return plain;
  if (plain[0] !== 2) fail('REPO_DAMAGED', { kind, name, detail: `unknown encoding ${plain[0]}` });
  try {
    return decompress(plain.subarray(1), limit);
  } catch (cause) {
    return fail('REPO_DAMAGED', { kind, name, detail: 'it does not decompress' }, { cause });
  }
}

export async function loadFile(backend: Backend, kind: FileKind, name: string, cipher: Cipher): Promise<Buffer> {
  return openFile(kind, name, await backend.load(kind, name), cipher);
}

/** JSON of a stored file; a file that is no JSON is damaged. */
export async function loadJson<T>(backend: Backend, kind: FileKind, name: string, cipher: Cipher): Promise<T> {
  const json = await loadFile(backend, kind, name, cipher);
  try {
    return JSON.parse(json.toString('utf8')) as T;
  } catch (cause) {
    return fail('REPO_DAMAGED', { kind, name, detail: 'it is no JSON' }, { cause });
  }
}

export async function saveFile(backend: Backend, kind: FileKind, json: Buffer, cipher: Cipher, version: number): Promise<string> {
  const { name, bytes } = sealFile(kind, json, cipher, version);
  await backend.save(kind, name, bytes);
  return name;
}
