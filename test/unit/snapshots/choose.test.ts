import { describe, expect, it } from 'vitest';
import { failure } from '../../../src/base/errors.ts';
import { placing } from '../../../src/model/place.ts';
import type { SnapshotProvider, WhoFreezes } from '../../../src/ports/snapshot.ts';
import { chooseSnapshot } from '../../../src/snapshots/choose.ts';

const log: string[] = [];

/** Takes the paths that begin with one of `tops`; each top is a volume. */
function fake(
  name: string,
  tops: readonly string[],
  more: { freezes?: WhoFreezes; refuses?: string; fails?: string; late?: string } = {},
): SnapshotProvider {
  const { freezes = 'self' } = more;
  return {
    name,
    freezes,
    async plan(paths) {
      const volumes = [...new Set(paths.map((path) => tops.find((top) => path.startsWith(top))))];
      if (paths.some((path) => path === more.refuses)) throw failure('SNAPSHOT_NO_SPACE', { path: more.refuses!, detail: 'full' });
      if (volumes.some((volume) => volume === undefined)) return undefined;
      return {
        provider: name,
        freezes,
        volumes: volumes as string[],
        ...(volumes.length > 1 ? { apart: `${volumes.length} volumes` } : {}),
        async take(task) {
          if (more.fails) throw failure('SNAPSHOT_FAILED', { path: more.fails, detail: 'no' });
          log.push(`take ${name} ${task}`);
          return {
            open: async () => {
              log.push(`open ${name}`);
              return more.late;
            },
            places: {
              planned: paths.map((path) => ({ path, canonical: path })),
              images: paths.map((path) => ({ top: path, image: `/${name}${path}` })),
            },
            intact: async () => {
              if (more.refuses === 'lost') throw failure('SNAPSHOT_LOST', { name: task, detail: 'full' });
            },
            remove: async () => void log.push(`remove ${name}`),
          };
        },
      };
    },
    sweep: async () => [],
  };
}

const planOf = async (providers: readonly SnapshotProvider[], ...paths: string[]) => {
  const choice = await chooseSnapshot(providers, paths);
  if ('problem' in choice) throw choice.problem;
  return choice.plan;
};
const problemOf = async (providers: readonly SnapshotProvider[], ...paths: string[]) => {
  const choice = await chooseSnapshot(providers, paths);
  if ('plan' in choice) throw new Error('there is a plan');
  return choice.problem;
};

describe('choosing a snapshot', () => {
  it('S1 the first provider that takes all at one instant is taken, then the first that takes all', async () => {
    const [a, b] = [fake('a', ['/x', '/y']), fake('b', ['/'])];
    expect(await planOf([a, b], '/x/1', '/x/2')).toMatchObject({ provider: 'a' });
    expect(await planOf([a, b], '/x', '/y')).toMatchObject({ provider: 'b' });
    expect((await planOf([a, b], '/x', '/y')).apart).toBeUndefined();
    expect(await planOf([a], '/x', '/y')).toMatchObject({ provider: 'a', apart: '2 volumes' });
  });

  it('S1 a group over several providers is one plan that says it is apart; each path is found in its own image', async () => {
    log.length = 0;
    const plan = await planOf([fake('a', ['/x']), fake('b', ['/x/below', '/y'])], '/x/1', '/y', '/x/below');
    expect(plan).toMatchObject({ provider: 'a+b', volumes: ['/x', '/y'], apart: expect.stringContaining('a and b') });
    const snapshot = await plan.take('stillpoint-1');
    expect([placing(snapshot.places)('/x/1/z'), placing(snapshot.places)('/y')]).toEqual(['/a/x/1/z', '/b/y']);
    expect(() => placing(snapshot.places)('/z')).toThrow('/z');
    await snapshot.remove();
    expect(log).toEqual(['take a stillpoint-1', 'take b stillpoint-1', 'remove a', 'remove b']);
  });

  it('A3 all parts are taken before the first is opened, and what is seen only then is told together', async () => {
    log.length = 0;
    const plan = await planOf(
      [fake('a', ['/x'], { late: 'x is late' }), fake('b', ['/y']), fake('c', ['/z'], { late: 'z is late' })],
      '/x',
      '/y',
      '/z',
    );
    const snapshot = await plan.take('stillpoint-1');
    expect(await snapshot.open(() => undefined)).toBe('x is late; z is late');
    expect(log.map((line) => line.split(' ')[0])).toEqual(['take', 'take', 'take', 'open', 'open', 'open']);
    const punctual = await (await planOf([fake('a', ['/x']), fake('b', ['/y'])], '/x', '/y')).take('stillpoint-2');
    expect(await punctual.open(() => undefined)).toBeUndefined();
  });

  it('S1 when a part cannot be taken the others are removed, and a lost part is a lost whole', async () => {
    log.length = 0;
    const failing = await planOf([fake('a', ['/x']), fake('b', ['/y'], { fails: '/y' })], '/x', '/y');
    await expect(failing.take('stillpoint-1')).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    expect(log).toEqual(['take a stillpoint-1', 'remove a']);
    const losing = await planOf([fake('a', ['/x'], { refuses: 'lost' }), fake('b', ['/y'])], '/x', '/y');
    await expect((await losing.take('stillpoint-2')).intact()).rejects.toMatchObject({ code: 'SNAPSHOT_LOST' });
  });

  it('S1 without a plan there is the reason, which names the path', async () => {
    expect(await problemOf([], '/z')).toMatchObject({ code: 'SNAPSHOT_NO_PROVIDER', message: expect.stringContaining('/z') });
    const message = expect.stringMatching(/\/z.*on no volume of a, b/);
    expect(await problemOf([fake('a', ['/x']), fake('b', ['/y'])], '/x', '/z')).toMatchObject({ code: 'SNAPSHOT_NO_PROVIDER', message });
    expect(await problemOf([fake('a', ['/x'], { refuses: '/x' })], '/x')).toMatchObject({ code: 'SNAPSHOT_NO_SPACE' });
    expect(await planOf([fake('a', ['/x'], { refuses: '/x' }), fake('b', ['/x'])], '/x')).toMatchObject({ provider: 'b' });
    expect(await problemOf([fake('a', ['/x']), fake('b', ['/y'], { freezes: 'outside' })], '/x', '/y')).toMatchObject({
      code: 'SNAPSHOT_NO_PROVIDER',
      message: expect.stringContaining('different hands'),
    });
  });

  it('S1 a missing source is no matter of snapshots', async () => {
    const provider = { ...fake('a', ['/']), plan: async () => Promise.reject(failure('SOURCE_MISSING', { path: '/x' })) };
    await expect(chooseSnapshot([provider], ['/x'])).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
  });
});
