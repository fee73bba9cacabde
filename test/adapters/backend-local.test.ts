import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { localBackend } from '../../src/backends/local.ts';
import { localPool } from '../../src/backends/local-pool.ts';
import { bindPool, openBackend, poolMarker, probePool } from '../../src/backends/open.ts';
import type { Providers } from '../../src/backends/provider.ts';
import { run } from '../beds/programs.ts';
import { type SmallDisk, smallDisk } from '../beds/small-disk.ts';
import { backendContract, listed, nameOf } from '../contract/backend.ts';

const providers: Providers = { local: async () => localPool, s3: async () => localPool };
const emptyFolder = () => mkdtemp(join(tmpdir(), 'pool-'));
const door = (path: string, id?: string) => ({
  place: { type: 'local', path } as const,
  bandwidth: 0,
  ...(id === undefined ? {} : { id }),
});
const bytes = Buffer.from('some bytes');
const name = nameOf(bytes);

backendContract('local', async () => {
  const root = await emptyFolder();
  return { backend: localBackend({ root, path: 'vault/agent' }), cleanup: () => rm(root, { recursive: true }) };
});

describe('P1 a pool that is a directory', () => {
  let root: string;
  beforeAll(async () => {
    root = await emptyFolder();
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test('P1 has restic default layout, files 0400, directories 0700, and no temporary file left', async () => {
    const backend = localBackend({ root, path: 'v/a' });
    await backend.save('data', name, bytes);
    await backend.save('config', 'config', bytes);
    expect(backend.location).toBe(join(root, 'v/a'));
    expect(await readdir(root, { recursive: true })).toEqual(
      expect.arrayContaining(['v/a/config', `v/a/data/${name.slice(0, 2)}/${name}`]),
    );
    expect(await readdir(join(root, 'v/a/data', name.slice(0, 2)))).toEqual([name]);
    expect((await stat(join(root, 'v/a/config'))).mode & 0o777).toBe(0o400);
    expect((await stat(join(root, 'v/a/data'))).mode & 0o777).toBe(0o700);
  });

  test('P1 lists neither temporary files nor strangers; a day-old one of ours is removed by the next process that saves there', async () => {
    const keys = join(root, 'v/a/keys');
    await mkdir(keys, { recursive: true });
    const ours = `${name}-tmp-sp0123456789abcdef`;
    const fresh = `${name}-tmp-spfedcba9876543210`;
    const restics = `${name}-tmp-123456789`;
    for (const file of [ours, fresh, restics, 'README', `${name}x`]) await writeFile(join(keys, file), 'x');
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    for (const file of [ours, restics]) await utimes(join(keys, file), twoDaysAgo, twoDaysAgo);
    const backend = localBackend({ root, path: 'v/a' });
    expect(await listed(backend, 'keys')).toEqual([]);
    await backend.save('keys', name, bytes);
    expect((await readdir(keys)).sort()).toEqual([fresh, restics, 'README', `${name}x`, name].sort());
    expect(await listed(backend, 'keys')).toEqual([{ name, size: bytes.length }]);
  });

  test('P1 closing waits for what is being saved: nothing half-written is left by a process that ends then', async () => {
    const backend = localBackend({ root, path: 'closing' });
    const large = Buffer.alloc(8 << 20, 1);
    let saved = false;
    const saving = backend.save('data', nameOf(large), large).then(() => {
      saved = true;
    });
    await backend.close();
    expect(saved).toBe(true);
    await saving;
  });

  test('P1 a file that was cut short gives an error, not fewer bytes', async () => {
    const backend = localBackend({ root, path: 'short' });
    await backend.save('index', name, bytes);
    const path = join(root, 'short/index', name);
    await chmod(path, 0o600);
    await writeFile(path, bytes.subarray(0, 4));
    await expect(backend.load('index', name, { offset: 2, length: 5 })).rejects.toMatchObject({ code: 'BACKEND_SHORT' });
  });
});

describe('P1 a process killed while it saves', () => {
  test('P1 SIGKILL at any moment leaves whole files only', async () => {
    const root = await emptyFolder();
    const script = `
      import { randomBytes, hash } from 'node:crypto';
      import { localBackend } from ${JSON.stringify(join(import.meta.dirname, '../../src/backends/local.ts'))};
      const backend = localBackend({ root: ${JSON.stringify(root)}, path: 'v' });
      for (let round = 0; ; round++) {
        if (round === 1) console.log('some are whole');
        const bytes = randomBytes(3_000_000);
        await Promise.all(['data', 'keys', 'index'].map((kind) => backend.save(kind, hash('sha256', bytes), bytes)));
      }`;
    const halfWritten = async () => (await readdir(root, { recursive: true })).filter((path) => path.includes('-tmp-'));
    let kills = 0;
    for (; kills < 5 || (kills < 100 && (await halfWritten()).length === 0); kills++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      const gone = new Promise((resolve) => child.once('exit', resolve));
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, (kills * 23) % 90));
      child.kill('SIGKILL');
      await gone;
    }
    expect(await halfWritten(), `no kill of ${kills} came while a file was being written`).not.toEqual([]);
    const backend = localBackend({ root, path: 'v' });
    let whole = 0;
    for (const kind of ['data', 'keys', 'index'] as const) {
      for await (const file of backend.list(kind)) {
        expect(nameOf(await backend.load(kind, file.name))).toBe(file.name);
        whole++;
      }
    }
    expect(whole).toBeGreaterThan(0);
    await rm(root, { recursive: true });
  });
});

describe('P1 the marker of a pool', () => {
  let root: string;
  beforeAll(async () => {
    root = await emptyFolder();
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test('P1 binding makes the directory only when asked, writes the marker once and refuses a foreign one', async () => {
    const path = join(root, 'new/pool');
    await expect(bindPool(providers, door(path), 'one', false)).rejects.toMatchObject({ code: 'POOL_NOT_FOUND' });
    await expect(stat(join(root, 'new'))).rejects.toThrow('ENOENT');
    expect(await poolMarker(providers, door(path))).toBeUndefined();
    await bindPool(providers, door(path), 'one', true);
    expect(JSON.parse(await readFile(join(path, '.stillpoint-pool'), 'utf8'))).toEqual({ pool: 'one' });
    expect(await readdir(path)).toEqual(['.stillpoint-pool']);
    await bindPool(providers, door(path), 'one', true);
    await expect(bindPool(providers, door(path), 'two', true)).rejects.toMatchObject({ code: 'POOL_MARKER_FOREIGN' });
    expect(await poolMarker(providers, door(path))).toBe('one');
    expect((await probePool(providers, door(path, 'two'), false)).poolId).toBe('one');
  });

  test('P1 of ten agents that bind one directory at a time exactly one wins', async () => {
    const path = join(root, 'race');
    await mkdir(path);
    const ids = Array.from({ length: 10 }, (_, i) => `agent-${i}`);
    const results = await Promise.allSettled(ids.map((id) => bindPool(providers, door(path), id, false)));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    const winner = ids[results.findIndex((result) => result.status === 'fulfilled')];
    expect(await poolMarker(providers, door(path))).toBe(winner);
    expect(await readdir(path)).toEqual(['.stillpoint-pool']);
  });

  test('P1 without its marker a pool is offline: opening, listing, loading and saving say so and make nothing', async () => {
    const path = join(root, 'mount');
    const away = join(root, 'away');
    await bindPool(providers, door(path), 'one', true);
    const open = (id?: string) => openBackend(providers, { pool: door(path, id), path: 'v/a' });
    const backend = await open('one');
    await backend.save('keys', name, bytes);

    await rename(path, away);
    await mkdir(path);
    const gone = { code: 'POOL_MARKER_MISSING', retry: 'later' };
    await expect(open('one')).rejects.toMatchObject(gone);
    await expect(listed(backend, 'keys')).rejects.toMatchObject(gone);
    await expect(listed(backend, 'data')).rejects.toMatchObject(gone);
    await expect(listed(backend, 'config')).rejects.toMatchObject(gone);
    await expect(backend.load('keys', name)).rejects.toMatchObject(gone);
    await expect(backend.stat('keys', name)).rejects.toMatchObject(gone);
    await expect(backend.remove('keys', name)).rejects.toMatchObject(gone);
    await expect(backend.save('keys', name, bytes)).rejects.toMatchObject(gone);
    await expect(backend.save('data', name, bytes)).rejects.toMatchObject(gone);
    expect(await readdir(path)).toEqual([]);
    await rm(path, { recursive: true });
    await expect(open('one')).rejects.toMatchObject(gone);
    await expect(backend.save('config', 'config', bytes)).rejects.toMatchObject(gone);
    await expect(stat(path)).rejects.toThrow('ENOENT');

    await rename(away, path);
    expect(await backend.load('keys', name)).toEqual(bytes);
    await expect(open('two')).rejects.toMatchObject({ code: 'POOL_MARKER_FOREIGN' });
    await unlink(join(path, '.stillpoint-pool'));
    expect(await (await open()).load('keys', name)).toEqual(bytes);
  });
});

describe('P1 a directory in trouble', () => {
  let root: string;
  beforeAll(async () => {
    root = await emptyFolder();
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0755', 'tmpfs', root]);
  });
  afterAll(async () => {
    await run('umount', [root]);
    await rm(root, { recursive: true });
  });

  test('P1 a full file system gives POOL_FULL, leaves nothing half-written, and takes files again once there is room', async () => {
    const backend = localBackend({ root, path: 'v' });
    const large = Buffer.alloc(900 * 1024, 7);
    await expect(backend.save('data', nameOf(large), Buffer.alloc(2 * 1024 * 1024))).rejects.toMatchObject({ code: 'POOL_FULL' });
    expect(await readdir(join(root, 'v/data', nameOf(large).slice(0, 2)))).toEqual([]);
    expect(await listed(backend, 'data')).toEqual([]);
    await backend.save('data', nameOf(large), large);
    await expect(backend.save('keys', name, large)).rejects.toMatchObject({ code: 'POOL_FULL', retry: 'later' });
    expect(await readdir(join(root, 'v/keys'))).toEqual([]);
    await backend.remove('data', nameOf(large));
    await backend.save('keys', name, bytes);
  });

  test('P1 a probe of a good directory tries every right and leaves nothing', async () => {
    const path = join(root, 'probe');
    await expect(probePool(providers, door(path), false)).rejects.toMatchObject({ code: 'POOL_NOT_FOUND' });
    const { steps } = await probePool(providers, door(path), true);
    expect(steps.map(({ right, ok }) => `${right}:${ok}`)).toEqual(
      ['create', 'put', 'list', 'get', 'range', 'delete'].map((r) => `${r}:true`),
    );
    expect(await readdir(path)).toEqual([]);
    expect((await probePool(providers, door(path), false)).poolId).toBeUndefined();
  });

  test('P1 without rights: a probe names the missing right and a save says POOL_NO_RIGHT', async () => {
    const path = join(root, 'mine');
    await mkdir(path, { mode: 0o755 });
    await mkdir(join(path, 'v/keys'), { recursive: true });
    await writeFile(join(path, 'v/keys', name), bytes, { mode: 0o600 });
    await chown(path, 0, 0);
    // Root may do everything: the unprivileged half of this test runs in a process of its own.
    const script = `
      import { localPool } from ${JSON.stringify(join(import.meta.dirname, '../../src/backends/local-pool.ts'))};
      import { localBackend } from ${JSON.stringify(join(import.meta.dirname, '../../src/backends/local.ts'))};
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      const place = { type: 'local', path: ${JSON.stringify(path)} };
      const { steps } = await localPool.probe({ place, bandwidth: 0 }, false, {});
      const backend = localBackend({ root: place.path, path: 'v' });
      const save = await backend.save('keys', ${JSON.stringify(name)}, Buffer.from('x')).catch((error) => error.code + ' ' + error.message);
      const load = await backend.load('keys', ${JSON.stringify(name)}).catch((error) => error.code);
      console.log(JSON.stringify({ steps: steps.map(({ right, ok }) => right + ':' + ok), save, load }));`;
    const out = JSON.parse(await run(process.execPath, ['--input-type=module', '-e', script]));
    expect(out.steps).toEqual(['put:false', 'list:true', 'delete:true']);
    expect(out.save).toBe(`POOL_NO_RIGHT the credentials may not put in ${path}/v`);
    expect(out.load).toBe('POOL_NO_RIGHT');
  });
});

describe('P1 the reserve of a pool', () => {
  const mib = 1 << 20;
  let disk: SmallDisk;
  let path: string;
  const reserve = () => join(path, '.stillpoint-reserve');
  const open = (spendReserve: boolean) => openBackend(providers, { pool: door(path, 'one'), path: 'v/a' }, { spendReserve });
  const another = (n: number, size = 4000) => {
    const other = Buffer.alloc(size, n);
    return [nameOf(other), other] as const;
  };
  beforeEach(async () => {
    disk = await smallDisk(12 * mib);
    path = join(disk.path, 'pool');
    await bindPool(providers, door(path), 'one', true);
  });
  afterEach(() => disk.remove());

  test('P1 is there with the first pack: 4 MiB really taken, for its owner only; one that a crash left short is made anew', async () => {
    await writeFile(reserve(), 'short');
    const backend = await open(false);
    await backend.save('keys', name, bytes);
    expect((await stat(reserve())).size).toBe(5);
    await backend.save('data', name, bytes);
    const made = await stat(reserve());
    expect([made.size, made.blocks * 512, made.mode & 0o777]).toEqual([4 * mib, 4 * mib, 0o600]);
    await (await open(false)).save('data', ...another(1));
    expect((await stat(reserve())).ino).toBe(made.ino);
  });

  test('P1 gives way to a task that frees space, on a full pool, and is made again once there is room', async () => {
    const backup = await open(false);
    await backup.save('data', name, bytes);
    disk.fill();
    await expect(backup.save('locks', ...another(1))).rejects.toMatchObject({ code: 'POOL_FULL' });
    expect((await stat(reserve())).size).toBe(4 * mib);

    const prune = await open(true);
    await Promise.all([prune.save('locks', ...another(1)), prune.save('index', ...another(2)), prune.save('data', ...another(3))]);
    await expect(stat(reserve())).rejects.toThrow('ENOENT');
    await prune.close();
    // What was saved took some of it: then as much is kept as there is.
    expect((await stat(reserve())).size).toBe(mib);
    await expect((await open(false)).save('data', ...another(4))).rejects.toMatchObject({ code: 'POOL_FULL' });
    expect((await stat(reserve())).size).toBe(mib);
    disk.free();
    await (await open(false)).save('data', ...another(4));
    expect((await stat(reserve())).size).toBe(4 * mib);
  });

  test('P1 a pool whose directory takes no file goes without', async () => {
    await mkdir(join(path, 'v/a/data'), { recursive: true });
    await mkdir(reserve()); // nothing can be written by this name
    const backend = await open(false);
    await backend.save('data', name, bytes);
    expect(await backend.load('data', name)).toEqual(bytes);
  });

  test('P1 a directory that is mounted read-only says that the right to write is missing', async () => {
    const backend = await open(false);
    await backend.save('keys', name, bytes);
    await run('mount', ['-o', 'remount,ro', disk.path]);
    await expect(backend.save('keys', ...another(1))).rejects.toMatchObject({ code: 'POOL_NO_RIGHT' });
    expect(await backend.load('keys', name)).toEqual(bytes);
  });
});
