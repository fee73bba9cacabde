import { describe, expect, it } from 'vitest';
import { memoryBackend } from '../../../src/backends/memory.ts';
import { cipherOf, generateMasterKey } from '../../../src/repository/crypto.ts';
import { type LockDeps, takeLock, unlock } from '../../../src/repository/lock.ts';
import { saveFile } from '../../../src/repository/unpacked.ts';

const minute = 60_000;

function bed() {
  const kept: string[] = [];
  const clock = { wall: 1_800_000_000_000, boot: 1_000_000 };
  const backend = memoryBackend();
  const deps: LockDeps = {
    backend,
    cipher: cipherOf(generateMasterKey()),
    version: 2,
    clock: { now: () => clock.wall, boottime: () => clock.boot },
    keeper: {
      willWrite: async (name) => {
        for await (const file of backend.list('locks')) if (file.name === name) throw new Error('written before it was kept');
        kept.push(name);
      },
      removed: async (name) => void kept.splice(kept.indexOf(name), 1),
    },
    sleep: async () => undefined,
  };
  const listed = async () => (await Array.fromAsync(backend.list('locks'))).map(({ name }) => name);
  const pass = (ms: number) => {
    clock.wall += ms;
    clock.boot += ms;
  };
  return { deps, kept, listed, pass, clock };
}

const code = async (step: Promise<unknown>) =>
  step.then(
    () => 'none',
    (error) => error.code,
  );

describe('locks', () => {
  it('P7 are kept before they are written and gone after release', async () => {
    const { deps, kept, listed } = bed();
    const lock = await takeLock(deps, false);
    expect(await listed()).toEqual([lock.name]);
    expect(kept).toEqual([lock.name]);
    await lock.prove();
    await lock.release();
    await lock.release();
    expect(await listed()).toEqual([]);
    expect(kept).toEqual([]);
  });

  it('P7 shared ones stand together, an exclusive one stands alone', async () => {
    const { deps } = bed();
    const [a, b] = [await takeLock(deps, false), await takeLock(deps, false)];
    expect(await code(takeLock(deps, true))).toBe('REPO_LOCKED');
    await a.release();
    await b.release();
    const alone = await takeLock(deps, true);
    expect(await code(takeLock(deps, false))).toBe('REPO_LOCKED');
    await alone.release();
    await (await takeLock(deps, false)).release();
  });

  it('P7 of two that are taken at the same moment none wins against the other unseen', async () => {
    const { deps, listed } = bed();
    const first = await takeLock(deps, false);
    // Somebody else's exclusive lock becomes visible before ours has settled.
    const json = Buffer.from(
      JSON.stringify({ time: new Date(deps.clock.now()).toISOString(), exclusive: true, hostname: 'other', username: 'u', pid: 1 }),
    );
    const slow = takeLock({ ...deps, sleep: async () => void (await saveFile(deps.backend, 'locks', json, deps.cipher, 2)) }, false);
    const lock = await slow;
    expect(await code(lock.settled)).toBe('REPO_LOCKED');
    expect(await code(lock.prove())).toBe('REPO_LOCKED');
    expect(await listed()).not.toContain(lock.name);
    await first.release();
  });

  it('P7 an unreadable lock blocks, an empty one does not', async () => {
    const { deps } = bed();
    await deps.backend.save('locks', 'a'.repeat(64), Buffer.alloc(0));
    await (await takeLock(deps, false)).release();
    await deps.backend.save('locks', 'b'.repeat(64), Buffer.from('rubbish that nobody can read at all, long enough for a tag'));
    expect(await code(takeLock(deps, false))).toBe('REPO_LOCKED');
  });

  it('P7 a lock that was not refreshed for more than 22 minutes proves nothing, even if it is listed', async () => {
    const { deps, pass } = bed();
    const lock = await takeLock(deps, false);
    pass(21 * minute);
    await lock.prove(); // refreshes
    await lock.fresh();
    pass(23 * minute);
    expect(await code(lock.fresh())).toBe('REPO_LOCK_LOST'); // nothing more is uploaded
    expect(await code(lock.prove())).toBe('REPO_LOCK_LOST');
  });

  it('P7 the wall clock may jump; only time that really passed counts', async () => {
    const { deps, clock } = bed();
    const lock = await takeLock(deps, false);
    clock.wall += 300 * minute;
    await lock.prove();
    clock.wall -= 600 * minute;
    await lock.prove();
    await lock.release();
  });

  it('P7 a lock that somebody removed is noticed', async () => {
    const { deps } = bed();
    const lock = await takeLock(deps, false);
    await lock.settled;
    await deps.backend.remove('locks', lock.name);
    expect(await code(lock.prove())).toBe('REPO_LOCK_LOST');
  });

  it('P7 unlocking removes our own dead locks and stale ones, nobody else’s', async () => {
    const { deps, listed, pass } = bed();
    const json = (time: number, hostname: string) =>
      Buffer.from(JSON.stringify({ time: new Date(time).toISOString(), exclusive: false, hostname, username: 'u', pid: 999_999_9 }));
    const own = await saveFile(deps.backend, 'locks', json(deps.clock.now(), 'elsewhere'), deps.cipher, 2);
    const foreign = await saveFile(deps.backend, 'locks', json(deps.clock.now(), 'elsewhere'), deps.cipher, 2);
    expect(await unlock(deps, { own: [own], all: false })).toEqual([own]);
    expect(await listed()).toEqual([foreign]);
    pass(31 * minute);
    expect(await unlock(deps, { own: [], all: false })).toEqual([foreign]);
    const last = await saveFile(deps.backend, 'locks', json(deps.clock.now(), 'elsewhere'), deps.cipher, 2);
    expect(await unlock(deps, { own: [], all: false })).toEqual([]);
    expect(await unlock(deps, { own: [], all: true })).toEqual([last]);
  });
});
