// LVM snapshots that fill up while they are read: against a recorded host, as in snapshot-lvm.test.ts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Warning } from '../../src/model/warning.ts';
import { lvmProvider } from '../../src/snapshots/lvm.ts';
import { type FakeLvm, type FakeVolume, fakeLvm, mountedAt, pool, thick, thin } from '../beds/lvm-host.ts';

const GiB = 2 ** 30;
let top: string;
let host: FakeLvm;
let warnings: Warning[];
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'lvm-test-'));
  host = fakeLvm([], []);
  warnings = [];
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

async function taken(origin: FakeVolume) {
  const path = mountedAt(host, top, origin, 'xfs');
  const provider = lvmProvider({ mountDirectory: join(top, 'images'), host });
  const snapshot = await (await provider.plan([path]))!.take('stillpoint-room');
  await snapshot.open((warning) => void warnings.push(warning));
  return { snapshot, image: host.volumes.at(-1)! };
}

describe('room for LVM snapshots', () => {
  it('S1 a thick one that is 70 % full gets a fifth of its origin more, and in the end no more than all of its origin takes', async () => {
    const { snapshot, image } = await taken(thick('data', 0));
    host.free = 20 * GiB;
    image.data_percent = '69.99';
    await snapshot.intact();
    expect(host.callsOf('lvextend')).toEqual([]);
    const sizes: number[] = [];
    for (let round = 0; round < 6; round++) {
      image.data_percent = '75.00';
      await snapshot.intact();
      sizes.push(Math.round(image.lv_size / GiB));
    }
    expect(sizes).toEqual([4, 6, 8, 10, 10, 10]);
    expect(host.callsOf('lvextend')).toEqual([512, 512, 512, 512, 26].map((extents) => `--yes --extents +${extents} vg/stillpoint-room.0`));
    expect(warnings).toEqual([]);
    await snapshot.remove();
  });

  it('S1 one that fills up where there is no room left is told once from 80 % on, and lost when it is full', async () => {
    const { snapshot, image } = await taken(thick('data', 0));
    host.free = 0;
    for (const full of ['79.00', '80.00', '85.00', '99.99']) {
      image.data_percent = full;
      await snapshot.intact();
    }
    expect(warnings).toEqual([{ item: '/dev/vg/data', detail: expect.stringMatching(/80 % full.*no room for more/) }]);
    expect(host.callsOf('lvextend')).toEqual([]);
    image.data_percent = '100.00';
    await expect(snapshot.intact()).rejects.toMatchObject({ code: 'SNAPSHOT_LOST', message: expect.stringContaining('it is full') });
    await snapshot.remove();
  });

  it('S1 what thin pools of the group may have to grow by is left to them, and a refusal of LVM is told', async () => {
    host.volumes.push(pool('45.00'));
    const { snapshot, image } = await taken(thick('data', 0));
    host.free = GiB + (40 << 20);
    image.data_percent = '70.00';
    await snapshot.intact();
    expect(host.free).toBe(GiB);
    host.free = 10 * GiB;
    host.failing.set('lvextend', 'Cannot process volume group vg');
    image.data_percent = '90.00';
    await snapshot.intact();
    expect(warnings).toEqual([{ item: '/dev/vg/data', detail: expect.stringContaining('Cannot process') }]);
    await snapshot.remove();
  });

  it('S1 a thin one is told of when its pool fills up, and given up before the server has no room', async () => {
    const store = pool('45.00');
    host.volumes.push(store);
    const { snapshot } = await taken(thin('data', 0));
    await snapshot.intact();
    expect(warnings).toEqual([]);
    store.data_percent = '82.00';
    await snapshot.intact();
    await snapshot.intact();
    expect(warnings).toEqual([{ item: '/dev/vg/data', detail: expect.stringMatching(/pool .* 82 % full.* 95 %/) }]);
    store.metadata_percent = '95.00';
    await expect(snapshot.intact()).rejects.toMatchObject({ code: 'SNAPSHOT_LOST', message: expect.stringContaining('needs the room') });
    await snapshot.remove();
  });

  it('S1 an lvs that fails once is no reason to give up what was read for hours; one that goes on failing is', async () => {
    const { snapshot } = await taken(thick('data', 0));
    const { run } = host;
    let left = 2;
    const answering = (answer: FakeLvm['run']) => void Object.assign(host, { run: answer });
    answering(async (program, args) => {
      if (program === 'lvs' && left-- > 0) throw new Error("lvs: Can't get lock for vg");
      return run(program, args);
    });
    await snapshot.intact();
    left = 3;
    await expect(snapshot.intact()).rejects.toMatchObject({ code: 'SNAPSHOT_LOST', message: expect.stringContaining('lock') });
    answering(run);
    await snapshot.remove();
  });
});
