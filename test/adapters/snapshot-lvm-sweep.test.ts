// What dead tasks left in LVM, removed while others work: against a recorded host, as in snapshot-lvm.test.ts.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lvmProvider } from '../../src/snapshots/lvm.ts';
import { type FakeLvm, fakeLvm, mountedAt, thick } from '../beds/lvm-host.ts';

let top: string;
let images: string;
let host: FakeLvm;
let data: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'lvm-test-'));
  images = join(top, 'run', 'snapshots');
  host = fakeLvm([], []);
  data = mountedAt(host, top, thick('data', 0), 'xfs');
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const provider = (more: Partial<FakeLvm> = {}) => lvmProvider({ mountDirectory: images, host: { ...host, ...more } });
const take = async (name: string) => {
  const snapshot = await (await provider().plan([data]))!.take(name);
  await snapshot.open(({ detail }) => expect.fail(detail));
  return snapshot;
};
const names = () => host.volumes.map(({ lv_name }) => lv_name);

describe('sweeping LVM snapshots', () => {
  it('S1 leftovers of dead tasks are swept, mounted or not, and nothing else', async () => {
    await take('stillpoint-dead');
    await (await provider().plan([data]))!.take('stillpoint-dead-early');
    const living = await take('stillpoint-living');
    host.volumes.push({ ...thick('stillpoint-of-others', 30), lv_attr: 'swi-a-s---' });
    const alive = new Set(['stillpoint-living']);
    expect(await provider().sweep(alive)).toEqual(['stillpoint-dead', 'stillpoint-dead-early']);
    expect(await provider().sweep(alive)).toEqual([]);
    await living.intact();
    await living.remove();
    expect(names()).toEqual(['data', 'stillpoint-of-others']);
    expect(readdirSync(images)).toEqual([]);
  });

  it('S1 where no logical volume is, no program is started; what a restart of the host left of mount points goes all the same', async () => {
    mkdirSync(join(images, 'stillpoint-dead.0'), { recursive: true });
    mkdirSync(join(images, 'stillpoint-living.0'));
    expect(await provider({ hasLvm: () => false }).sweep(new Set(['stillpoint-living']))).toEqual([]);
    expect(readdirSync(images)).toEqual(['stillpoint-living.0']);
    expect(host.calls).toEqual([]);
  });

  it('S1 a task that begins while lvs answers is asked for after it: its image stays', async () => {
    const alive = new Set<string>();
    const begun: Awaited<ReturnType<typeof take>>[] = [];
    const run: FakeLvm['run'] = async (program, args) => {
      if (program === 'lvs' && begun.length === 0) {
        alive.add('stillpoint-new');
        begun.push(await take('stillpoint-new'));
      }
      return host.run(program, args);
    };
    expect(await provider({ run }).sweep(alive)).toEqual([]);
    await begun[0]!.intact();
    await begun[0]!.remove();
  });

  it("S1 two that are after the same image are in nobody's way; one that stays is told", async () => {
    const snapshot = await take('stillpoint-dead');
    const quicker: FakeLvm['run'] = async (program, args) => {
      if (program === 'umount' || program === 'lvremove') await host.run(program, args);
      return host.run(program, args);
    };
    expect(await provider({ run: quicker }).sweep(new Set())).toEqual(['stillpoint-dead']);
    await snapshot.remove();
    expect(names()).toEqual(['data']);
    await take('stillpoint-stuck');
    host.failing.set('lvremove', 'Logical volume vg/stillpoint-stuck.0 in use.');
    await expect(provider().sweep(new Set())).rejects.toMatchObject({
      code: 'SNAPSHOT_REMOVE_FAILED',
      message: expect.stringContaining('in use'),
    });
    host.failing.clear();
    expect(await provider().sweep(new Set())).toEqual(['stillpoint-stuck']);
  });
});
