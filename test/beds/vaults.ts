// Vaults in a temporary directory, filled from sources in memory, and stock restic to look at them.
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localBackend } from '../../src/backends/local.ts';
import type { NodeMeta } from '../../src/model/node.ts';
import type { Backend } from '../../src/ports/backend.ts';
import type { Entry, Source } from '../../src/ports/source.ts';
import { createRepository, openRepository, type Repository, type RepositoryOptions } from '../../src/repository/repository.ts';
import { run } from './programs.ts';

export const password = 'a password of the tests';

/** Small packs, so that a small vault has many. */
export const smallPacks: Partial<RepositoryOptions> = { workers: 2, packSize: 128 << 10, sleep: async () => undefined };

export interface Bed {
  readonly dir: string;
  /** The repository's directory. */
  readonly vault: string;
  readonly backend: Backend;
  /** Paths of the files in one of its folders (`data`, `index`, …), relative to it. */
  stored(kind: string): string[];
  remove(): void;
}

export function bed(): Bed {
  const dir = mkdtempSync(join(tmpdir(), 'vault-'));
  const vault = join(dir, 'vault');
  return {
    dir,
    vault,
    backend: localBackend({ root: dir, path: 'vault' }),
    stored: (kind) => readdirSync(join(vault, kind), { recursive: true, encoding: 'utf8' }).filter((name) => /[0-9a-f]{64}$/.test(name)),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

export const makeVault = (backend: Backend, options: Partial<RepositoryOptions> = smallPacks): Promise<Repository> =>
  createRepository(backend, [{ password, kind: 'random' }], options);
export const openVault = (backend: Backend, options: Partial<RepositoryOptions> = smallPacks): Promise<Repository> =>
  openRepository(backend, password, options);

/** Names (directories end where an object begins) with the bytes of files. */
export interface Files {
  readonly [name: string]: Buffer | Files;
}

/** Bytes that are the same for the same seed and do not compress. */
export function noise(seed: string, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(createHash('sha256').update(`${seed} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, length);
}

export function memorySource(files: Files): Source {
  return {
    paths: ['/memory'],
    excludes: [],
    estimate: { bytes: 0, files: 0 },
    list: () => entriesOf(files),
    finish: async () => undefined,
    close: async () => undefined,
  };
}

async function* entriesOf(files: Files): AsyncGenerator<Entry> {
  for (const name of Object.keys(files).sort()) {
    const content = files[name]!;
    if (!Buffer.isBuffer(content)) yield { kind: 'dir', meta: metaOf(name, 'dir', 0), list: () => entriesOf(content as Files) };
    else {
      const stream = async function* () {
        yield content;
      };
      yield {
        kind: 'file',
        meta: metaOf(name, 'file', content.length),
        content: { kind: 'stream', chunking: { kind: 'fixed', size: 16 << 10 }, open: stream },
      };
    }
  }
}

function metaOf(name: string, type: 'file' | 'dir', size: number): NodeMeta {
  const time = { seconds: 1_700_000_000, nanos: 0 };
  const ids = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, user: '', group: '', inode: 1n, deviceId: 1n, links: 1n };
  return {
    name: Buffer.from(name),
    type,
    mode: type === 'dir' ? 0o755 : 0o644,
    mtime: time,
    atime: time,
    ctime: time,
    ...ids,
    size,
    xattrs: [],
  };
}

/** One backup; returns the record's id. */
export async function backup(
  vault: Repository,
  files: Files,
  how: { readonly mark?: boolean; readonly heal?: boolean } = {},
): Promise<string> {
  const lock = await vault.lock(false);
  try {
    await vault.loadIndex(true);
    const save = () => {
      const options = { mark: how.mark ?? false, warn: () => undefined, onProgress: () => undefined, signal: new AbortController().signal };
      return vault.save(lock, memorySource(files), options);
    };
    let saved = await save();
    if (how.heal && (await vault.heal(new AbortController().signal)) > 0) saved = await save();
    const record = {
      time: new Date().toISOString(),
      tree: saved.tree,
      paths: ['/memory'],
      hostname: 'test',
      username: 'test',
      uid: 0,
      gid: 0,
    };
    return await vault.records.save({ ...record, excludes: [], tags: [] }, lock);
  } finally {
    await lock.release();
  }
}

export async function check(vault: Repository, readData: boolean | string = true) {
  await vault.loadIndex(true);
  return await vault.check({ readData, signal: new AbortController().signal });
}

export async function prune(vault: Repository, how: { readonly dryRun?: boolean; readonly maxUnusedPercent?: number } = {}) {
  const lock = await vault.lock(true);
  try {
    await vault.loadIndex();
    const { dryRun = false, maxUnusedPercent = 0 } = how;
    return await vault.prune(lock, { dryRun, maxUnusedPercent, signal: new AbortController().signal });
  } finally {
    await lock.release();
  }
}

/** Runs stock restic on a vault; rejects when it finds anything wrong. */
export function restic(vault: string, args: readonly string[], cwd?: string): Promise<string> {
  const env = { RESTIC_PASSWORD: password, RESTIC_PROGRESS_FPS: '0.01' };
  return run('restic', ['-r', vault, '--no-cache', ...args], { env, timeout: 120_000, ...(cwd ? { cwd } : {}) });
}

/** Turns one bit of a stored file. */
export function flipBit(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  rewrite(file, bytes);
}

export function rewrite(file: string, bytes: Buffer): void {
  chmodSync(file, 0o600);
  writeFileSync(file, bytes);
}

/** Every file below a directory: path → bytes. */
export function contents(dir: string, below = ''): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const name of readdirSync(join(dir, below)).sort()) {
    const path = join(below, name);
    if (statSync(join(dir, path)).isDirectory()) for (const [inner, bytes] of contents(dir, path)) files.set(inner, bytes);
    else files.set(path, readFileSync(join(dir, path)));
  }
  return files;
}

/** The files of `dir` as bytes by path, as `contents` of a restored directory gives them. */
export function flattened(files: Files, below = ''): Map<string, Buffer> {
  const flat = new Map<string, Buffer>();
  for (const [name, content] of Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const path = join(below, name);
    if (Buffer.isBuffer(content)) flat.set(path, content);
    else for (const [inner, bytes] of flattened(content as Files, path)) flat.set(inner, bytes);
  }
  return flat;
}
