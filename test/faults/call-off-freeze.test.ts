// A freeze that is under way and not wanted any more, asked for as the control plane does it.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentContext } from '../../src/agent/context.ts';
import { rescueOnce } from '../../src/agent/freezer.ts';
import { freezeMethods } from '../../src/agent/methods/freezes.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { Freeze } from '../../src/rpc/schemas.ts';
import { type FreezerBed, freezerBed } from '../beds/freezer.ts';

let bed: FreezerBed;
let methods: ReturnType<typeof freezeMethods>;
beforeEach(() => {
  bed = freezerBed();
  const quiet = { warn: () => undefined, error: () => undefined };
  methods = freezeMethods({ clock: systemClock, settings: { freezesPerHour: 1 }, log: quiet } as unknown as AgentContext, bed.settings);
});
afterEach(async () => {
  await rescueOnce(bed.settings);
  bed.remove();
});

const start = async () => (await methods.freezeStart({ body: {} } as never, {} as never)) as Freeze;
const show = async ({ id }: Freeze) => (await methods.freezeShow({ params: { id } } as never, {} as never)) as Freeze;
const thaw = async ({ id }: Freeze) => (await methods.freezeThaw({ params: { id } } as never, {} as never)) as Freeze;
const begun = async (freeze: Freeze) => {
  await expect.poll(async () => (await show(freeze)).state, { timeout: 20_000 }).not.toBe('freezing');
  return show(freeze);
};

describe('a freeze by RPC', () => {
  it('A3 A5 is called off by a thaw while it freezes: the script ends, and its application thaws', async () => {
    const app = bed.application('app', { freeze: 'sleep 25' });
    const freeze = await start();
    await expect.poll(app.isFrozen, { timeout: 20_000 }).toBe(true);
    const begin = performance.now();
    expect(await thaw(freeze)).toMatchObject({ state: 'failed', thawed: true, problem: { detail: expect.stringContaining('called off') } });
    expect(performance.now() - begin).toBeLessThan(5000);
    expect(app.isFrozen()).toBe(false);
    expect(bed.scripts()).toEqual([]);
  });

  it('A2 A5 names nothing that is not on this host', async () => {
    bed.application('away', { freeze: 'echo "0 absent" > "$RESULT_FILE"; exit 0' });
    bed.application('here');
    const freeze = await begun(await start());
    expect(freeze).toMatchObject({ state: 'frozen', names: ['here'], facts: { away: { absent: 'yes' } } });
    expect(await thaw(freeze)).toMatchObject({ held: true });
  });

  it('A2 does not count in the hour where its scripts are no good', async () => {
    bed.application('app');
    const half = join(bed.home, 'bin/thirdparty/ebk_user/app_unfreeze.sh');
    rmSync(half);
    for (let i = 0; i < 2; i++) expect(await begun(await start())).toMatchObject({ problem: { code: 'SCRIPT_PAIR' } });
    expect(existsSync(join(bed.run, 'freezes.json'))).toBe(false);
    bed.application('app');
    expect(await thaw(await begun(await start()))).toMatchObject({ held: true });
    expect((await begun(await start())).problem).toMatchObject({ code: 'FREEZE_TOO_OFTEN' });
  });
});
