import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSourceWatch } from '../../src/agent/source-watch.ts';
import type { Plan } from '../../src/model/plan.ts';
import { startRedis } from '../beds/redis.ts';
import { openBed } from '../unit/agent/vault-bed.ts';

const rule = {
  schedule: { kind: 'cron', expression: '0 2 * * *', zone: 'UTC' },
  retention: { kind: 'permanent' },
  fullEveryDays: null,
} as const;
const own = { timing: { kind: 'own', rule } } as const;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stillpoint-watch-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function watched(source: Plan['source'], more: Partial<Plan> = own) {
  const bed = openBed();
  const plan = bed.plan('p', bed.vault('v', bed.pool('here')), source, more);
  const watch = createSourceWatch(bed.context);
  const look = async (times = 1) => {
    for (let i = 0; i < times; i++) await watch.tick();
    return bed.state.plans.find(plan.id).pause;
  };
  return { ...bed, plan, look };
}

describe('a source that is off', () => {
  it('B7 pauses its scheduled plan, tells it, and lets it go on when the server is back', async () => {
    let redis = await startRedis({ dir });
    const address = { socket: redis.socket };
    const { look, state } = watched({ kind: 'redis', method: 'logical', server: address });
    expect(await look(3)).toBeNull();
    await redis.kill();
    expect(await look()).toBeNull(); // a server that is being restarted is not off
    expect(await look()).toMatchObject({ by: 'source', reason: expect.stringContaining(`nobody answers at ${redis.socket}`) });
    redis = await startRedis({ dir });
    expect(await look()).toBeNull();
    await redis.kill();
    expect(
      state.events
        .where([])
        .map(({ type }) => type)
        .sort(),
    ).toEqual(['PLAN_PAUSED', 'PLAN_RESUMED']);
  });

  it('B7 leaves a manual plan alone, and what an operator paused', async () => {
    const nobody = { kind: 'redis', method: 'logical', server: { host: '127.0.0.1', port: 1 } } as const;
    expect(await watched(nobody, { timing: { kind: 'manual' } }).look(3)).toBeNull();
    const pause = { by: 'operator', since: 0, reason: 'by an operator' } as const;
    expect(await watched(nobody, { ...own, pause }).look(3)).toEqual(pause);
  });

  it('B7 looks for directories: off when none of them is there', async () => {
    const there = join(dir, 'there');
    const away = join(dir, 'away');
    const files = { kind: 'files', paths: [dir], excludes: [], excludeFiles: [], oneFileSystem: false, excludeCaches: false } as const;
    renameSync(dir, `${dir}.gone`);
    const { look } = watched({ ...files, paths: [there, away] });
    expect(await look(2)).toMatchObject({ by: 'source', reason: expect.stringContaining('do not exist') });
    renameSync(`${dir}.gone`, dir);
    const half = watched({ ...files, paths: [dir, away] });
    expect(await half.look(3)).toBeNull();
  });

  it('B7 looks at each of many plans of directories, and tells those that are gone from those that are there', async () => {
    const bed = openBed();
    const vault = bed.vault('v', bed.pool('here'));
    const files = { kind: 'files', excludes: [], excludeFiles: [], oneFileSystem: false, excludeCaches: false } as const;
    for (let i = 0; i < 6; i++) bed.plan(`p${i}`, vault, { ...files, paths: [i % 2 === 0 ? dir : join(dir, `gone${i}`)] }, own);
    const watch = createSourceWatch(bed.context);
    for (let i = 0; i < 3; i++) await watch.tick();
    expect(bed.state.plans.where([]).map(({ name, pause }) => [name, pause?.by])).toEqual(
      Array.from({ length: 6 }, (_, i) => [`p${i}`, i % 2 === 0 ? undefined : 'source']),
    );
  });
});
