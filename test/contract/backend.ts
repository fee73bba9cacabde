// The law of ports/backend.ts, as tests that every backend must pass.
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, FileKind, StoredFile } from '../../src/ports/backend.ts';

export interface BackendUnderTest {
  readonly backend: Backend;
  cleanup(): Promise<void>;
}

export function nameOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export async function listed(backend: Backend, kind: FileKind): Promise<StoredFile[]> {
  const files = await Array.fromAsync(backend.list(kind));
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `make` gives a backend on an empty place of its own. */
export function backendContract(name: string, make: () => Promise<BackendUnderTest>): void {
  describe(`P1 the law of backends: ${name}`, () => {
    let backend: Backend;
    let cleanup: () => Promise<void>;
    const someFile = (size = 1000) => {
      const bytes = randomBytes(size);
      return { bytes, name: nameOf(bytes) };
    };

    beforeAll(async () => {
      ({ backend, cleanup } = await make());
    });
    afterAll(() => cleanup());

    test('P1 an empty place lists nothing of any kind and misses every file by its name', async () => {
      for (const kind of ['config', 'keys', 'locks', 'snapshots', 'index', 'data'] as const) {
        expect(await listed(backend, kind)).toEqual([]);
        const file = kind === 'config' ? 'config' : someFile().name;
        await expect(backend.load(kind, file)).rejects.toMatchObject({ code: 'BACKEND_NOT_FOUND', message: expect.stringContaining(file) });
        await expect(backend.stat(kind, file)).rejects.toMatchObject({ code: 'BACKEND_NOT_FOUND' });
        await backend.remove(kind, file);
      }
    });

    test('P1 a file of each kind comes back byte by byte, is listed once with its size, and is gone when removed', async () => {
      for (const kind of ['config', 'keys', 'locks', 'snapshots', 'index', 'data'] as const) {
        const file = kind === 'config' ? { ...someFile(33), name: 'config' } : someFile(33);
        await backend.save(kind, file.name, file.bytes);
        expect(await backend.load(kind, file.name)).toEqual(file.bytes);
        expect(await backend.stat(kind, file.name)).toEqual({ name: file.name, size: 33 });
        expect(await listed(backend, kind)).toEqual([{ name: file.name, size: 33 }]);
        await backend.remove(kind, file.name);
        expect(await listed(backend, kind)).toEqual([]);
        await expect(backend.load(kind, file.name)).rejects.toMatchObject({ code: 'BACKEND_NOT_FOUND' });
        await backend.remove(kind, file.name);
      }
    });

    test('P1 saving a name again replaces the file, also by a shorter one', async () => {
      await backend.save('config', 'config', Buffer.alloc(500, 1));
      await backend.save('config', 'config', Buffer.alloc(77, 2));
      expect(await backend.load('config', 'config')).toEqual(Buffer.alloc(77, 2));
      expect(await listed(backend, 'config')).toEqual([{ name: 'config', size: 77 }]);
      await backend.remove('config', 'config');
    });

    test('P1 a reader sees the old file or the new one while it is replaced, never a mixture', async () => {
      const name = 'b'.repeat(64);
      const versions = [1, 2, 3, 4, 5].map((fill) => Buffer.alloc(300_000 + fill, fill));
      await backend.save('keys', name, versions[0]!);
      let writing = true;
      const reader = (async () => {
        let reads = 0;
        while (writing || reads < 3) {
          const bytes = await backend.load('keys', name);
          expect(bytes.length).toBe(300_000 + bytes[0]!);
          expect(bytes.every((byte) => byte === bytes[0])).toBe(true);
          reads++;
        }
        return reads;
      })();
      for (const version of versions) await backend.save('keys', name, version);
      writing = false;
      expect(await reader).toBeGreaterThanOrEqual(3);
      await backend.remove('keys', name);
    });

    test('P1 ranges give exactly the bytes asked for; a range beyond the end is an error, not fewer bytes', async () => {
      const { name, bytes } = someFile(10_000);
      await backend.save('data', name, bytes);
      for (const [offset, length] of [
        [0, 1],
        [0, 10_000],
        [1, 9_999],
        [9_999, 1],
        [5_000, 32],
        [700, 0],
      ] as const) {
        expect(await backend.load('data', name, { offset, length })).toEqual(bytes.subarray(offset, offset + length));
      }
      for (const range of [
        { offset: 0, length: 10_001 },
        { offset: 9_999, length: 2 },
        { offset: 10_000, length: 1 },
        { offset: 50_000, length: 10 },
      ]) {
        await expect(backend.load('data', name, range)).rejects.toMatchObject({ code: 'BACKEND_SHORT' });
      }
      await backend.remove('data', name);
    });

    test('P1 what the caller does to its buffer after the save changes nothing stored, nor do views into a larger buffer', async () => {
      const whole = randomBytes(5000);
      const view = whole.subarray(1234, 2345);
      const kept = Buffer.from(view);
      const name = nameOf(view);
      await backend.save('index', name, view);
      whole.fill(0);
      expect(await backend.load('index', name)).toEqual(kept);
      await backend.remove('index', name);
    });

    test('P1 a file of 20 MiB', async () => {
      const { name, bytes } = someFile(20 * 1024 * 1024);
      await backend.save('data', name, bytes);
      expect((await backend.load('data', name)).equals(bytes)).toBe(true);
      const range = { offset: 19 * 1024 * 1024, length: 1024 * 1024 };
      expect((await backend.load('data', name, range)).equals(bytes.subarray(range.offset))).toBe(true);
      expect(await backend.stat('data', name)).toEqual({ name, size: bytes.length });
      await backend.remove('data', name);
    });

    test('P1 twenty operations at a time, several on the same new directory', async () => {
      const files = Array.from({ length: 60 }, (_, i) => {
        const bytes = randomBytes(2000 + i);
        return { bytes, name: i < 20 ? `ab${nameOf(bytes).slice(2)}` : nameOf(bytes) };
      });
      for (let at = 0; at < files.length; at += 20) {
        await Promise.all(files.slice(at, at + 20).map(({ name, bytes }) => backend.save('data', name, bytes)));
      }
      const found = await listed(backend, 'data');
      expect(found).toEqual(files.map(({ name, bytes }) => ({ name, size: bytes.length })).sort((a, b) => (a.name < b.name ? -1 : 1)));
      const loaded = await Promise.all(files.map(({ name }) => backend.load('data', name)));
      expect(loaded).toEqual(files.map(({ bytes }) => bytes));
      await Promise.all(files.map(({ name }) => backend.remove('data', name)));
      expect(await listed(backend, 'data')).toEqual([]);
    });

    test('P1 a listing left early and kinds beside each other do not disturb anything', async () => {
      const a = someFile();
      const b = someFile();
      await backend.save('locks', a.name, a.bytes);
      await backend.save('locks', b.name, b.bytes);
      await backend.save('snapshots', a.name, a.bytes);
      for await (const file of backend.list('locks')) {
        expect([a.name, b.name]).toContain(file.name);
        break;
      }
      expect((await listed(backend, 'snapshots')).map((file) => file.name)).toEqual([a.name]);
      expect((await listed(backend, 'locks')).map((file) => file.name)).toEqual([a.name, b.name].sort());
      for (const { name } of [a, b]) await backend.remove('locks', name);
      await backend.remove('snapshots', a.name);
    });

    test('P1 a name that is no file name never becomes a path', async () => {
      for (const name of ['../../etc/passwd', '', 'A'.repeat(64), `${'a'.repeat(63)}/`, 'config']) {
        await expect((async () => backend.save('data', name, Buffer.from('x')))()).rejects.toMatchObject({ code: 'INTERNAL' });
        await expect((async () => backend.load('data', name))()).rejects.toMatchObject({ code: 'INTERNAL' });
      }
    });
  });
}
