// Key files: each wraps the repository's one master key with a password. Source: restic doc/design.rst "Keys, Encryption and MAC".
import { hash, randomBytes, scrypt } from 'node:crypto';
import { hostname, userInfo } from 'node:os';
import { fail, isCode } from '../base/errors.ts';
import type { KeyInfo } from '../model/task.ts';
import type { Backend } from '../ports/backend.ts';
import { cipherOf, type MasterKey } from './crypto.ts';

interface KeyFile {
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
  readonly kdf: string;
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
  readonly data: string;
}

/**
 * Work factors of scrypt. `password`: restic's defaults, for what a person may have chosen. `random`: for passwords that are 256 random
 * bits, where stretching adds nothing and would cost every task a tenth of a second.
 */
const workFactors = { password: { N: 32768, r: 8, p: 1 }, random: { N: 1024, r: 8, p: 1 } } as const;
export type PasswordKind = keyof typeof workFactors;

/** restic tries at most this many keys. */
const maxKeys = 20;

export interface OpenKey {
  readonly id: string;
  readonly master: MasterKey;
}

function derive(password: string, file: Pick<KeyFile, 'N' | 'r' | 'p'>, salt: Buffer): Promise<MasterKey> {
  const options = { N: file.N, r: file.r, p: file.p, maxmem: 256 * file.N * file.r + (1 << 20) };
  return new Promise((resolve, reject) =>
    scrypt(Buffer.from(password, 'utf8'), salt, 64, options, (error, out) =>
      error ? reject(error) : resolve({ encrypt: out.subarray(0, 32), macK: out.subarray(32, 48), macR: out.subarray(48, 64) }),
    ),
  );
}

/** Writes a key file that opens `master` with `password`; returns its id. */
export async function addKey(backend: Backend, master: MasterKey, password: string, kind: PasswordKind, now: number): Promise<string> {
  const factors = workFactors[kind];
  const salt = randomBytes(64);
  const wrapped = JSON.stringify({
    mac: { k: master.macK.toString('base64'), r: master.macR.toString('base64') },
    encrypt: master.encrypt.toString('base64'),
  });
  const cipher = cipherOf(await derive(password, factors, salt));
  const file: KeyFile = {
    created: new Date(now).toISOString(),
    username: userInfo().username,
    hostname: hostname(),
    kdf: 'scrypt',
    ...factors,
    salt: salt.toString('base64'),
    data: cipher.seal(Buffer.from(wrapped)).toString('base64'),
  };
  const bytes = Buffer.from(JSON.stringify(file));
  const name = hash('sha256', bytes, 'hex');
  await backend.save('keys', name, bytes);
  return name;
}

/** Finds the key that `password` opens. Throws REPO_NOT_FOUND, REPO_WRONG_KEY. */
export async function openKey(backend: Backend, password: string): Promise<OpenKey> {
  const files = await readKeys(backend);
  if (files.length === 0) fail('REPO_NOT_FOUND', { location: backend.location });
  files.sort((a, b) => a.file.N * a.file.r - b.file.N * b.file.r); // the cheap ones first
  for (const { id, file } of files.slice(0, maxKeys)) {
    const master = await tryKey(file, password);
    if (master) return { id, master };
  }
  return fail('REPO_WRONG_KEY', { location: backend.location });
}

export async function listKeys(backend: Backend, current: string): Promise<KeyInfo[]> {
  return (await readKeys(backend)).map(({ id, file }) => ({
    id,
    created: Date.parse(file.created),
    hostname: file.hostname,
    username: file.username,
    current: id === current,
  }));
}

async function readKeys(backend: Backend): Promise<{ id: string; file: KeyFile }[]> {
  const keys: { id: string; file: KeyFile }[] = [];
  for await (const { name } of backend.list('keys')) {
    try {
      keys.push({ id: name, file: JSON.parse((await backend.load('keys', name)).toString('utf8')) as KeyFile });
    } catch (error) {
      // A broken key file must not keep the other keys from opening the vault; check names it.
      if (!(error instanceof SyntaxError) && !isCode(error, 'BACKEND_NOT_FOUND')) throw error;
    }
  }
  return keys;
}

async function tryKey(file: KeyFile, password: string): Promise<MasterKey | undefined> {
  const salt = Buffer.from(String(file.salt), 'base64');
  if (file.kdf !== 'scrypt' || salt.length !== 64) return undefined;
  try {
    const cipher = cipherOf(await derive(password, file, salt));
    const wrapped = JSON.parse(cipher.open(Buffer.from(file.data, 'base64'), 'keys', '').toString('utf8')) as {
      mac: { k: string; r: string };
      encrypt: string;
    };
    return {
      encrypt: Buffer.from(wrapped.encrypt, 'base64'),
      macK: Buffer.from(wrapped.mac.k, 'base64'),
      macR: Buffer.from(wrapped.mac.r, 'base64'),
    };
  } catch {
    return undefined; // the wrong password shows as a wrong tag
  }
}
