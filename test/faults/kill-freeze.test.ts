// Whatever happens to rdfreeze, to whoever started it, or to what it froze: within five seconds nothing is frozen, and it is told why.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endingSignals } from '../../src/agent/freeze-side.ts';
import { rescueOnce } from '../../src/agent/freezer.ts';
import { failure } from '../../src/base/errors.ts';
import { linesOf } from '../../src/base/lines.ts';
import { type FileSystem, fileSystem } from '../beds/file-system.ts';
import { type FreezerBed, freezerBed, startWith } from '../beds/freezer.ts';

const callerScript = fileURLToPath(new URL('../beds/freeze-caller.ts', import.meta.url));
/** The bound that operators are promised. */
const soon = { timeout: 5000, interval: 50 };

let bed: FreezerBed;
let disk: FileSystem;
let app: { isFrozen(): boolean };
beforeEach(async () => {
  bed = freezerBed();
  disk = await fileSystem('ext4');
  app = bed.application('app');
});
afterEach(async () => {
  await rescueOnce(bed.settings);
  await disk.remove();
  bed.remove();
});

const start = (limitMs = 60_000) => bed.start({ fileSystems: [disk.path], limitMs });

async function expectFrozen(): Promise<void> {
  expect(app.isFrozen()).toBe(true);
  expect(await disk.isFrozen()).toBe(true);
}

async function expectThawedSoon(): Promise<void> {
  const begin = performance.now();
  await expect.poll(disk.isFrozen, soon).toBe(false);
  await expect.poll(app.isFrozen, soon).toBe(false);
  expect(performance.now() - begin).toBeLessThan(5000);
}

/** Nothing was left on disk, and the next freeze works. */
async function expectWell(): Promise<void> {
  await expect.poll(bed.leftovers).toEqual([]);
  const next = await start();
  await next.prove();
  expect(await next.thaw()).toMatchObject({ held: true, thawed: true });
  expect(bed.leftovers()).toEqual([]);
}

describe('rdfreeze', () => {
  it('A3 freezes applications, then file systems, proves it, and thaws the other way round', async () => {
    bed.application('b');
    const frozen = await start();
    await expectFrozen();
    expect(frozen.names).toEqual(['app', 'b', `file system ${disk.path}`]);
    await frozen.prove();
    const report = await frozen.thaw();
    expect(report).toMatchObject({ held: true, thawed: true });
    expect(report.steps.map(({ action, name }) => `${action} ${name.split(' ')[0]}`)).toEqual(
      'freeze app,freeze b,freeze file,thaw file,thaw b,thaw app'.split(','),
    );
    expect(bed.actions()).toEqual(['freeze app', 'freeze b', 'unfreeze b', 'unfreeze app']);
    await expectThawedSoon();
    await expectWell();
  });

  it('A3 freezes a file system before the one that it lies on, and thaws it after', async () => {
    const child = await fileSystem('ext4', disk.path, 16 << 20);
    try {
      const frozen = await bed.start({ fileSystems: [disk.path, child.path] });
      expect(await child.isFrozen()).toBe(true);
      await frozen.prove();
      const report = await frozen.thaw();
      expect(report).toMatchObject({ held: true, thawed: true });
      const names = ['app', `file system ${child.path}`, `file system ${disk.path}`];
      expect(report.steps.map(({ name }) => name)).toEqual([...names, ...names.toReversed()]);
      expect(await child.isFrozen()).toBe(false);
    } finally {
      await disk.thaw();
      await child.remove();
    }
    await expectWell();
  });

  it('A3 killed while all is frozen: its starter thaws at once and is told', async () => {
    const frozen = await start();
    process.kill(frozen.pid, 'SIGKILL');
    await expectThawedSoon();
    await expect(frozen.prove()).rejects.toMatchObject({ code: 'FREEZE_DIED' });
    expect(await frozen.thaw()).toMatchObject({ held: false, thawed: true, lost: { reason: expect.stringContaining('SIGKILL') } });
    await expectWell();
  });

  it('A3 killed together with its starter: what they had frozen thaws by itself', async () => {
    const caller = await startCaller();
    process.kill(caller.pid, 'SIGKILL');
    process.kill(caller.freezer, 'SIGKILL');
    await expectThawedSoon();
    await expectWell();
  });

  it('A3 killed with its starter and all its helpers: the rescue that comes with the next start thaws, and so does the next freeze', async () => {
    for (const comesNext of [() => rescueOnce(bed.settings), () => start().then((frozen) => frozen.thaw())]) {
      const caller = await startCaller();
      expect(bed.helpers()).toHaveLength(2);
      for (const pid of [...bed.helpers(), caller.pid, caller.freezer]) process.kill(pid, 'SIGKILL');
      await expect.poll(bed.freezers).toEqual([]);
      await expectFrozen();
      await comesNext();
      await expectThawedSoon();
      expect(bed.leftovers()).toEqual([]);
    }
  });

  it('A3 whose starter is killed thaws', async () => {
    const caller = await startCaller();
    await expectFrozen();
    process.kill(caller.pid, 'SIGKILL');
    await expectThawedSoon();
    await expectWell();
  });

  it('A3 killed while a script freezes: the script ends, too, and its application is thawed', async () => {
    bed.application('slow', { freeze: 'sleep 30' });
    const freezing = expect(start()).rejects.toMatchObject({ code: 'FREEZE_DIED' });
    await expect.poll(() => bed.actions().at(-1)).toBe('freeze slow');
    process.kill(bed.freezers()[0]!, 'SIGKILL');
    await freezing;
    expect(bed.actions().slice(-2)).toEqual(['unfreeze slow', 'unfreeze app']);
    expect(bed.scripts()).toEqual([]);
    await expectThawedSoon();
  });

  it('A3 killed while it thaws: the thaw is done again', async () => {
    bed.application('slow', { unfreeze: `[ -e ${bed.home}/second ] || { touch ${bed.home}/second; sleep 30; }` });
    const frozen = await start();
    const thawing = frozen.thaw();
    await expect.poll(() => bed.actions().at(-1)).toBe('unfreeze slow');
    process.kill(frozen.pid, 'SIGKILL');
    await expectThawedSoon();
    expect(await thawing).toMatchObject({ held: false, thawed: true });
    expect(bed.actions().filter((line) => line === 'unfreeze slow')).toHaveLength(2);
  });

  it('A3 thaws on any signal that would end it, and says so', async () => {
    for (const signal of endingSignals) {
      const frozen = await start();
      process.kill(frozen.pid, signal);
      expect(await frozen.ended).toMatchObject({ held: false, thawed: true, lost: { reason: expect.stringContaining(signal) } });
      await expectThawedSoon();
    }
    await expectWell();
  });

  it('A3 is not ended by SIGPIPE', async () => {
    const frozen = await start();
    process.kill(frozen.pid, 'SIGPIPE');
    await frozen.prove();
    expect(await frozen.thaw()).toMatchObject({ held: true, thawed: true });
  });

  it('A3 keeps its limit without help, and A2 "expired" is a reason of its own', async () => {
    const frozen = await start(1500);
    expect(await frozen.ended).toMatchObject({ held: false, thawed: true, lost: { cause: 'expired' } });
    await expectThawedSoon();
    await expect(frozen.prove()).rejects.toMatchObject({ code: 'FREEZE_EXPIRED' });
    expect(await frozen.thaw()).toMatchObject({ lost: { cause: 'expired' } });
    await expectWell();
  });

  it('A3 that was stopped keeps its limit all the same', async () => {
    const frozen = await start(1500);
    process.kill(frozen.pid, 'SIGSTOP');
    await expect.poll(() => stateOf(frozen.pid)).toBe('T');
    await expect.poll(disk.isFrozen, { timeout: 1500 + 5000, interval: 50 }).toBe(false);
    await expectThawedSoon();
    expect(await frozen.ended).toMatchObject({ held: false, thawed: true, lost: { cause: 'expired' } });
    await expectWell();
  });

  it('A3 is called off by a signal of its starter, while it freezes and after', async () => {
    const early = new AbortController();
    bed.application('slow', { freeze: 'sleep 30' });
    const never = bed.start({}, { ...bed.settings, signal: early.signal });
    await expect.poll(() => bed.actions().at(-1)).toBe('freeze slow');
    early.abort(failure('TASK_CANCELLED'));
    await expect(never).rejects.toMatchObject({ code: 'TASK_CANCELLED' });
    await expectThawedSoon();

    bed.application('slow');
    const late = new AbortController();
    const frozen = await bed.start({ fileSystems: [disk.path] }, { ...bed.settings, signal: late.signal });
    late.abort();
    expect(await frozen.ended).toMatchObject({ held: false, thawed: true, lost: { cause: 'lost' } });
    await expectThawedSoon();
    await expectWell();
  });

  it('A2 answers several proofs, each', async () => {
    const frozen = await start();
    await Promise.all([frozen.prove(), frozen.prove()]);
    await disk.thaw();
    const proofs = await Promise.allSettled([frozen.prove(), frozen.prove()]);
    expect(proofs.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await frozen.thaw();
  });

  it('A3 lets nobody freeze at the same time, and says who does', async () => {
    const first = await start();
    const second = bed.start({ id: 'second' });
    await expect(second).rejects.toMatchObject({ code: 'FREEZE_BUSY', message: expect.stringContaining(`process ${first.pid}`) });
    await expectFrozen();
    await first.prove();
    expect(await first.thaw()).toMatchObject({ held: true });
    await expectWell();
  });

  it('A3 a rescue leaves a living freeze alone', async () => {
    const frozen = await start();
    expect(await rescueOnce(bed.settings)).toBe(true);
    await expectFrozen();
    await frozen.prove();
    expect(await frozen.thaw()).toMatchObject({ held: true });
  });

  async function startCaller(): Promise<{ readonly pid: number; readonly freezer: number }> {
    const request = JSON.stringify({ id: 'of-caller', applications: true, fileSystems: [disk.path], limitMs: 60_000 });
    const caller = spawn(process.execPath, [callerScript, request, JSON.stringify(bed.env)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { value } = await linesOf(caller.stdout).next();
    expect(value).toMatch(/^frozen \d+$/);
    return { pid: caller.pid!, freezer: Number(value!.split(' ')[1]) };
  }
});

function stateOf(pid: number): string | undefined {
  return /^State:\s*(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
}

describe('what comes from outside', () => {
  it('A2 a file system thawed between freeze and proof: lost, with the reason', async () => {
    const frozen = await start();
    await disk.thaw();
    await expect(frozen.prove()).rejects.toMatchObject({
      code: 'FREEZE_LOST',
      message: expect.stringContaining('somebody else thawed it'),
    });
    expect(await frozen.thaw()).toMatchObject({ held: false, thawed: true, lost: { cause: 'lost' } });
    await expectThawedSoon();
  });

  it('A3 a file system that somebody else froze: nothing of ours stays frozen, and his does', async () => {
    await disk.freeze();
    await expect(start()).rejects.toMatchObject({ code: 'FREEZE_FOREIGN' });
    expect(app.isFrozen()).toBe(false);
    expect(await disk.isFrozen()).toBe(true);
    expect(bed.failures).toMatchObject([{ held: false, thawed: true, lost: { cause: 'failed' } }]);
    await disk.thaw();
    await expectWell();
  });

  it('A3 a file system whose freeze hangs in the kernel keeps nobody waiting beyond the limit, and thaws when it comes back', async () => {
    const parent = await fileSystem('ext4', undefined, 128 << 20);
    const child = await fileSystem('ext4', parent.path, 32 << 20);
    try {
      await parent.freeze();
      writeFileSync(join(child.path, 'dirty'), Buffer.alloc(1 << 20, 1));
      const freezing = bed.start({ fileSystems: [disk.path, child.path], limitMs: 3000 });
      await expect(freezing).rejects.toMatchObject({ code: 'FREEZE_EXPIRED' });
      expect(bed.failures).toMatchObject([{ thawed: false, lost: { cause: 'expired' } }]);
      expect(app.isFrozen()).toBe(false);
      expect(await disk.isFrozen()).toBe(false);
      await expect(start()).rejects.toMatchObject({ code: 'FREEZE_BUSY' });
      await parent.thaw();
      await expect.poll(child.isFrozen, soon).toBe(false);
      await expect.poll(bed.freezers).toEqual([]);
      await expectWell();
    } finally {
      await parent.thaw();
      await child.remove();
      await parent.remove();
    }
  });

  it('A3 an unfreeze script that fails at first is run until it works, and told', async () => {
    bed.application('stubborn', { unfreeze: `[ -e ${bed.home}/again ] || { touch ${bed.home}/again; exit 1; }` });
    const frozen = await start();
    expect(await frozen.thaw()).toMatchObject({ held: true, thawed: false });
    expect(await disk.isFrozen()).toBe(false);
    expect(app.isFrozen()).toBe(false);
    await expect.poll(bed.freezers, soon).toEqual([]);
    expect(bed.actions().filter((line) => line === 'unfreeze stubborn')).toHaveLength(2);
    expect(bed.texts.join('')).toContain('stubborn');
    await expectWell();
  });

  it('A3 a request that cannot be is refused before anything is frozen', async () => {
    for (const bad of [{ id: '../up' }, { limitMs: 0 }, { fileSystems: ['relative'] }, { limitMs: 1e12 }])
      await expect(bed.start(bad)).rejects.toMatchObject({ code: 'USAGE' });
    expect(bed.actions()).toEqual([]);
  });

  it('A3 the file system that the agent runs in, also behind a link, is refused before anything is frozen', async () => {
    const run = join(disk.path, 'run');
    mkdirSync(run);
    symlinkSync(run, join(bed.home, 'moved'));
    const settings = { ...bed.settings, start: startWith({ ...bed.env, AGENT_RUN: join(bed.home, 'moved') }) };
    await expect(bed.start({ fileSystems: [disk.path] }, settings)).rejects.toMatchObject({
      code: 'FREEZE_REFUSED',
      message: expect.stringContaining('it holds'),
    });
    expect(bed.actions()).toEqual([]);
    expect(await disk.isFrozen()).toBe(false);
  });
});
