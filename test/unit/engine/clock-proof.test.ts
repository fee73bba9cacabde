// Nothing expires by a clock that the pool does not agree with.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { memoryBackend } from '../../../src/backends/memory.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { proveClock, tolerance } from '../../../src/engine/clock-proof.ts';
import { filesOf, testVault, type Vault } from '../../beds/vault.ts';

const day = 24 * 60 * 60_000;
let root: string;
let vault: Vault;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'clock-proof-'));
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const backUp = async () => (await vault.backup(filesOf('/etc/hostname'))).id;
const ids = async () => (await vault.records()).map(({ id }) => id);

describe('the proof of the clock', () => {
  it.each([10, -10])('B3 a clock that is %i days off expires nothing', async (days) => {
    const record = await backUp();
    const now = Date.now() + days * day;
    const refused = { code: 'CLOCK_DOUBTED', message: expect.stringContaining(new Date(now).toISOString()) };
    await expect(vault.run({ type: 'forget', records: [record], expire: true, now })).rejects.toMatchObject(refused);
    // The task's own clock, where the agent did not say what it believes.
    const clock = { ...systemClock, now: () => now };
    const fake = { repository: { clock } };
    await expect(vault.run({ type: 'forget', records: [record], expire: true }, fake)).rejects.toMatchObject({ code: 'CLOCK_DOUBTED' });
    expect(await ids()).toContain(record);
    expect((await vault.check()).errors).toEqual([]);

    // The lock is gone; and an operator's word needs no clock.
    await vault.run({ type: 'forget', records: [record], expire: false, now });
    expect(await ids()).not.toContain(record);
  });

  it('B3 a clock that is right expires what it should, of a store that tells the date or not', async () => {
    const [first, second] = [await backUp(), await backUp()];
    await vault.run({ type: 'forget', records: [first], expire: true, now: Date.now() + 3_600_000 });
    const dateless = { wrapBackend: ({ dateOf: _, ...backend }: ReturnType<typeof memoryBackend>) => backend };
    await vault.run({ type: 'forget', records: [second], expire: true, now: Date.now() }, dateless as object);
    expect(await ids()).toEqual([]);
  });

  it('B3 a date that is none proves nothing', () => {
    expect(() => proveClock(Date.now(), Number.NaN)).toThrow(expect.objectContaining({ code: 'CLOCK_DOUBTED' }));
    expect(() => proveClock(0, tolerance)).not.toThrow();
    expect(() => proveClock(0, tolerance + 1)).toThrow();
  });
});
