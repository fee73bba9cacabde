// Whatever happens to rdfreeze, or to whoever started it, while the writers of a volume are stopped: within five seconds they write again.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rescueOnce } from '../../src/agent/freezer.ts';
import { linesOf } from '../../src/base/lines.ts';
import { writersName } from '../../src/quiescers/writers/name.ts';
import { type FileSystem, fileSystem } from '../beds/file-system.ts';
import { type FreezerBed, freezerBed } from '../beds/freezer.ts';
import { countingWriter, stateOf, type TestWriter } from '../beds/writers.ts';

const callerScript = fileURLToPath(new URL('../beds/freeze-caller.ts', import.meta.url));
/** The bound that operators are promised (ms). */
const soonMs = 5000;

let bed: FreezerBed;
let disks: FileSystem[];
let writers: TestWriter[];
beforeEach(async () => {
  bed = freezerBed();
  disks = [await fileSystem('btrfs'), await fileSystem('ext4')];
  writers = [await countingWriter(disks.map(({ path }) => join(path, 'counter'))), await countingWriter([join(disks[1]!.path, 'other')])];
});
afterEach(async () => {
  await rescueOnce(bed.settings);
  for (const writer of writers) await writer.kill();
  for (const disk of disks) await disk.remove();
  bed.remove();
});

const volumes = () => disks.map(({ path }) => path);
const start = (limitMs = 60_000) => bed.start({ writersOf: volumes(), limitMs });

async function expectStopped(): Promise<void> {
  for (const writer of writers) expect(await writer.isStill()).toBe(true);
}

async function expectWritingSoon(): Promise<void> {
  const begin = performance.now();
  for (const writer of writers) await writer.writes();
  expect(performance.now() - begin).toBeLessThan(soonMs);
}

/** Nothing was left on disk, and the next freeze works. */
async function expectWell(): Promise<void> {
  await expect.poll(bed.leftovers).toEqual([]);
  const next = await start();
  await next.prove();
  expect(await next.thaw()).toMatchObject({ held: true, thawed: true });
  await expectWritingSoon();
}

async function startCaller(): Promise<{ readonly pid: number; readonly freezer: number }> {
  const request = JSON.stringify({ id: 'of-caller', applications: true, fileSystems: [], writersOf: volumes(), limitMs: 60_000 });
  const caller = spawn(process.execPath, [callerScript, request, JSON.stringify(bed.env)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { value } = await linesOf(caller.stdout).next();
  expect(value).toMatch(/^frozen \d+$/);
  return { pid: caller.pid!, freezer: Number(value!.split(' ')[1]) };
}

describe('rdfreeze that has stopped the writers of volumes', () => {
  it('A3 stops them last, lets them run with the proof, and tells how many and for how long', async () => {
    bed.application('app');
    const frozen = await start();
    await expectStopped();
    expect(frozen.names).toEqual(['app', writersName]);
    expect(frozen.facts[writersName]).toMatchObject({ processes: '2' });
    await frozen.prove();
    await expectWritingSoon();
    const report = await frozen.thaw();
    expect(report).toMatchObject({
      held: true,
      thawed: true,
      facts: { [writersName]: { processes: '2', 'stopped-ms': expect.stringMatching(/^\d+$/) } },
    });
    expect(report.steps.map(({ action, name }) => `${action} ${name}`)).toEqual([
      'freeze app',
      `freeze ${writersName}`,
      `thaw ${writersName}`,
      'thaw app',
    ]);
    await expectWell();
  });

  it('A2 tells that somebody let one run on, whatever it did with it', async () => {
    const frozen = await start();
    process.kill(writers[0]!.pid, 'SIGCONT');
    await writers[0]!.writes();
    await expect(frozen.prove()).rejects.toMatchObject({ code: 'FREEZE_LOST', message: expect.stringContaining('run on') });
    expect(await frozen.thaw()).toMatchObject({ held: false, thawed: true, lost: { cause: 'lost' } });
    await expectWell();
  });

  it('A3 keeps its limit without help', async () => {
    const frozen = await start(1500);
    expect(await frozen.ended).toMatchObject({ held: false, thawed: true, lost: { cause: 'expired' } });
    await expectWritingSoon();
    await expectWell();
  });

  it('A3 killed: its starter lets them run at once and is told', async () => {
    const frozen = await start();
    await expectStopped();
    process.kill(frozen.pid, 'SIGKILL');
    await expectWritingSoon();
    expect(await frozen.thaw()).toMatchObject({ held: false, thawed: true, lost: { reason: expect.stringContaining('SIGKILL') } });
    await expectWell();
  });

  it('A3 whose starter is killed lets them run', async () => {
    const caller = await startCaller();
    await expectStopped();
    process.kill(caller.pid, 'SIGKILL');
    await expectWritingSoon();
    await expectWell();
  });

  it('A3 killed together with its starter: they run by themselves', async () => {
    const caller = await startCaller();
    await expectStopped();
    process.kill(caller.pid, 'SIGKILL');
    process.kill(caller.freezer, 'SIGKILL');
    await expectWritingSoon();
    await expectWell();
  });

  it('A3 killed with its starter and its heir: they run with the next start, or the next freeze', async () => {
    for (const comesNext of [() => rescueOnce(bed.settings), () => start().then((frozen) => frozen.thaw())]) {
      const caller = await startCaller();
      for (const pid of [...bed.helpers(), caller.pid, caller.freezer]) process.kill(pid, 'SIGKILL');
      await expect.poll(bed.freezers).toEqual([]);
      await expectStopped();
      await comesNext();
      await expectWritingSoon();
      expect(bed.leftovers()).toEqual([]);
    }
  });

  it('A3 that was stopped itself beyond its limit: its heir lets them run', async () => {
    const frozen = await start(1500);
    const begun = performance.now();
    process.kill(frozen.pid, 'SIGSTOP');
    await expect.poll(() => stateOf(frozen.pid)).toBe('T');
    for (const writer of writers) await writer.writes();
    expect(performance.now() - begun).toBeLessThan(1500 + soonMs);
    expect(await frozen.ended).toMatchObject({ held: false, thawed: true, lost: { cause: 'expired' } });
    await expectWell();
  });

  it('A3 killed while it stops them, at any moment: none is left behind', async () => {
    for (const ms of [5, 20, 40, 60, 80, 120]) {
      const freezing = start().then(
        (frozen) => frozen.thaw(),
        (error: unknown) => error,
      );
      await expect.poll(() => bed.leftovers().length, { interval: 2 }).toBeGreaterThan(0);
      await new Promise((resolve) => setTimeout(resolve, ms));
      for (const pid of bed.freezers()) process.kill(pid, 'SIGKILL');
      await expectWritingSoon();
      await freezing;
      expect(writers.map(({ pid }) => stateOf(pid))).not.toContain('T');
    }
    await expectWell();
  });

  it('A3 A request for what cannot be stopped is refused before anything is frozen', async () => {
    bed.application('app');
    await expect(bed.start({ writersOf: ['relative'] })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(bed.start({ writersOf: [join(disks[0]!.path, 'absent')] })).rejects.toMatchObject({ code: 'FREEZE_REFUSED' });
    expect(bed.actions()).toEqual([]);
  });
});
