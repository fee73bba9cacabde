// The processes that write to some volumes are found wherever they are, stopped, and let go: real processes on real file systems. Needs root.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leftStopped, note } from '../../src/quiescers/writers/noted.ts';
import { bornAt } from '../../src/quiescers/writers/process.ts';
import { type WritersContext, writersQuiescer } from '../../src/quiescers/writers/quiescer.ts';
import { type FileSystem, type FileSystemKind, fileSystem } from '../beds/file-system.ts';
import { needPrograms, run } from '../beds/programs.ts';
import { countingWriter, stateOf, type TestWriter, testWriter } from '../beds/writers.ts';
import { limitOf, quiescerContract } from '../contract/quiescer.ts';

let folder: string;
const undo: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'writers-'));
});
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
  rmSync(folder, { recursive: true });
});

const disk = async (kind: FileSystemKind = 'ext4', within?: string, bytes?: number): Promise<FileSystem> => {
  const made = await fileSystem(kind, within, bytes);
  undo.push(made.remove);
  return made;
};
const writing = async (files: readonly string[], before?: readonly string[]): Promise<TestWriter> => {
  const writer = await countingWriter(files, before);
  undo.push(writer.kill);
  return writer;
};
const quiescerOf = (volumes: readonly string[], context: Partial<WritersContext> = {}) => {
  const quiescer = writersQuiescer(volumes, { folder, isOwn: (pid) => pid === process.pid, whyNot: () => undefined, ...context });
  undo.push(quiescer.thaw);
  return quiescer;
};
const noted = () => readdirSync(folder);

for (const kind of ['ext4', 'xfs', 'btrfs'] as const)
  describe(kind, () => {
    quiescerContract(`the writers of volumes (${kind})`, async () => {
      const volume = await fileSystem(kind);
      const writer = await countingWriter([join(volume.path, 'file')]);
      const quiescer = writersQuiescer([volume.path], { folder, isOwn: (pid) => pid === process.pid, whyNot: () => undefined });
      return {
        quiescer,
        isStill: writer.isStill,
        breakIn: async () => {
          process.kill(writer.pid, 'SIGCONT');
          await writer.writes();
        },
        remove: async () => {
          await quiescer.thaw();
          await writer.kill();
          await volume.remove();
        },
      };
    });
  });

describe('the writers of volumes', () => {
  it('A2 are found on every volume, in the mounts of a container, behind a layer of it, and in a subvolume; who only reads runs on', async () => {
    const [a, b] = [await disk('btrfs'), await disk('ext4')];
    const [nested, upper, work, merged] = ['nested', 'upper', 'work', 'merged'].map((name) => join(a.path, name)) as [
      string,
      string,
      string,
      string,
    ];
    await run('btrfs', ['subvolume', 'create', nested]);
    for (const path of [upper, work, merged, join(folder, 'elsewhere')]) mkdirSync(path);
    writeFileSync(join(b.path, 'read'), '');
    const inContainer = (mount: string) => ['unshare', '-m', 'sh', '-c', `${mount} && exec "$@"`, 'sh'];
    const writers = [
      await writing([join(nested, 'file')]),
      await writing([join(b.path, 'file')]),
      await hidden(
        join(a.path, 'in-container'),
        inContainer(`mount --bind ${a.path} ${folder}/elsewhere`),
        join(folder, 'elsewhere/in-container'),
      ),
      await hidden(
        join(upper, 'file'),
        inContainer(`mount -t overlay -o lowerdir=${folder},upperdir=${upper},workdir=${work} overlay ${merged}`),
        join(merged, 'file'),
      ),
    ];
    const reader = spawn('tail', ['-f', join(b.path, 'read')], { stdio: 'ignore' });
    undo.push(() => ended(reader));
    const bystander = await writing([join(folder, 'other')]);

    const quiescer = quiescerOf([a.path, b.path]);
    expect(await quiescer.freeze(limitOf(30_000))).toMatchObject({ processes: '4', names: expect.stringMatching(/^bash \(\d+\), /) });
    for (const writer of writers) expect(await writer.isStill()).toBe(true);
    expect([stateOf(reader.pid!), await bystander.isStill()]).toEqual(['S', false]);
    await quiescer.held();
    expect(await quiescer.thaw()).toMatchObject({ 'stopped-ms': expect.stringMatching(/^\d+$/) });
    for (const writer of writers) expect(await writer.isStill()).toBe(false);
  });

  /** Writes in mounts of its own, where its path means nothing to us. */
  async function hidden(seen: string, before: readonly string[], path: string): Promise<TestWriter> {
    const child = spawn(before[0]!, [...before.slice(1), 'bash', '-c', 'exec 3>>"$0"; while echo x >&3; do sleep 0.01; done', path], {
      stdio: 'ignore',
    });
    undo.push(() => ended(child));
    return testWriter(child, seen);
  }

  it('A2 are found where they have mapped a file and closed it', async () => {
    needPrograms(['python3'], 'python3');
    const volume = await disk('btrfs');
    const code = `import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4096)
shared = mmap.mmap(fd, 4096)
os.closerange(3, 4096)
while True:
    shared[0] = (shared[0] + 1) % 256
    time.sleep(0.005)`;
    const file = join(volume.path, 'mapped');
    const mapper = spawn('python3', ['-c', code, file], { stdio: 'ignore' });
    undo.push(() => ended(mapper));
    await expect.poll(() => readFileSync(`/proc/${mapper.pid}/maps`, 'latin1').includes(file)).toBe(true);
    await expect.poll(() => readdirSync(`/proc/${mapper.pid}/fd`).map((fd) => linkOf(mapper.pid!, Number(fd)))).not.toContain(file);
    for (const volumes of [[volume.path], [file]]) {
      const quiescer = quiescerOf(volumes);
      await quiescer.freeze(limitOf(30_000));
      const before = readFileSync(file)[0];
      expect([stateOf(mapper.pid!), readFileSync(file)[0]]).toEqual(['T', before]);
      await quiescer.held();
      await quiescer.thaw();
      expect(stateOf(mapper.pid!)).not.toBe('T');
    }
  });

  it('A2 are found where their first thread has ended before the others', async () => {
    needPrograms(['python3'], 'python3');
    const volume = await disk();
    const file = join(volume.path, 'file');
    const code = `import ctypes, sys, threading, time
def write():
    with open(sys.argv[1], 'a') as out:
        while True:
            out.write('x'); out.flush(); time.sleep(0.005)
threading.Thread(target=write).start()
ctypes.CDLL(None).pthread_exit(None)`;
    const writer = await testWriter(spawn('python3', ['-c', code, file], { stdio: 'ignore' }), file);
    undo.push(writer.kill);
    await expect.poll(() => stateOf(writer.pid)).toBe('Z');
    const quiescer = quiescerOf([volume.path]);
    expect(await quiescer.freeze(limitOf(30_000))).toMatchObject({ processes: '1' });
    const size = readFileSync(file).length;
    await quiescer.held();
    expect(readFileSync(file)).toHaveLength(size);
    await quiescer.thaw();
    await writer.writes();
  });

  it('A2 are found where they have a block device itself open', async () => {
    const image = join(folder, 'image');
    writeFileSync(image, Buffer.alloc(1 << 20));
    const device = (await run('losetup', ['--find', '--show', image])).trim();
    undo.push(() => run('losetup', ['-d', device]));
    const opener = spawn('bash', ['-c', 'exec 3<>"$0"; while :; do read -rt 1; done', device], { stdio: ['pipe', 'ignore', 'ignore'] });
    undo.push(() => ended(opener));
    await expect.poll(() => linkOf(opener.pid!, 3)).toBe(device);
    const quiescer = quiescerOf([device]);
    await quiescer.freeze(limitOf(30_000));
    expect(stateOf(opener.pid!)).toBe('T');
    await quiescer.held();
    await quiescer.thaw();
    expect(stateOf(opener.pid!)).not.toBe('T');
  });

  it('A2 of a single file are those of this file alone', async () => {
    const volume = await disk('xfs');
    const [mine, other] = [join(volume.path, 'a.img'), join(volume.path, 'b.img')];
    const writers = [await writing([mine]), await writing([other])];
    const quiescer = quiescerOf([mine]);
    await quiescer.freeze(limitOf(30_000));
    expect(await Promise.all(writers.map((writer) => writer.isStill()))).toEqual([true, false]);
    await quiescer.thaw();
  });

  it('A2 who opens a file there meanwhile, or dies, ends the proof', async () => {
    const volume = await disk();
    const writer = await writing([join(volume.path, 'a')]);
    const quiescer = quiescerOf([volume.path]);
    await quiescer.freeze(limitOf(30_000));
    const late = await writing([join(volume.path, 'b')]);
    await expect(quiescer.held()).rejects.toMatchObject({
      code: 'FREEZE_LOST',
      message: expect.stringContaining(`(${late.pid}) has begun to write`),
    });
    await late.kill();
    await quiescer.held();
    process.kill(writer.pid, 'SIGKILL');
    await expect(quiescer.held()).rejects.toMatchObject({
      code: 'FREEZE_LOST',
      message: expect.stringContaining(`(${writer.pid}) has ended`),
    });
  });

  it('A2 who was let run and stopped again is known, though it looks the same', async () => {
    const volume = await disk();
    const writer = await writing([join(volume.path, 'a')]);
    const quiescer = quiescerOf([volume.path]);
    await quiescer.freeze(limitOf(30_000));
    process.kill(writer.pid, 'SIGCONT');
    await writer.writes();
    process.kill(writer.pid, 'SIGSTOP');
    await expect.poll(() => stateOf(writer.pid)).toBe('T');
    await expect(quiescer.held()).rejects.toMatchObject({
      code: 'FREEZE_LOST',
      message: expect.stringContaining(`somebody let bash (${writer.pid}) run on`),
    });
  });

  it('A3 who was stopped before stays stopped, and is not named', async () => {
    const volume = await disk();
    const [ours, theirs] = [await writing([join(volume.path, 'a')]), await writing([join(volume.path, 'b')])];
    process.kill(theirs.pid, 'SIGSTOP');
    await expect.poll(() => stateOf(theirs.pid)).toBe('T');
    const quiescer = quiescerOf([volume.path]);
    expect(await quiescer.freeze(limitOf(30_000))).toEqual({ processes: '1', names: `bash (${ours.pid})` });
    await quiescer.held();
    await quiescer.thaw();
    expect([await ours.isStill(), await theirs.isStill()]).toEqual([false, true]);

    await quiescer.freeze(limitOf(30_000));
    process.kill(theirs.pid, 'SIGCONT');
    await expect(quiescer.held()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
  });

  it('A2 that start others, which write for a moment each, are stopped with them', async () => {
    const volume = await disk();
    const file = join(volume.path, 'file');
    const child = spawn(
      'bash',
      ['-c', 'while :; do dd if=/dev/zero bs=64 count=1 oflag=append conv=notrunc of="$0" 2>&3; done 3>>"$0"', file],
      {
        stdio: 'ignore',
      },
    );
    const parent = await testWriter(child, file);
    undo.push(parent.kill);
    const quiescer = quiescerOf([volume.path]);
    await quiescer.freeze(limitOf(30_000));
    const size = readFileSync(file).length;
    await quiescer.held();
    expect(readFileSync(file)).toHaveLength(size);
    await quiescer.thaw();
    await parent.writes();
  });

  it('A3 who sleeps in the kernel is waited for; one that never comes back is called off with the freeze, and all run on', async () => {
    const [volume, frozen] = [await disk(), await disk()];
    const writer = await writing([join(volume.path, 'a')]);
    const sleeper = await countingWriter([join(volume.path, 'b'), join(frozen.path, 'b')]);
    undo.push(sleeper.kill);
    await frozen.freeze();
    undo.push(frozen.thaw);
    await expect.poll(() => stateOf(sleeper.pid)).toBe('D');
    const quiescer = quiescerOf([volume.path]);
    const freezing = quiescer.freeze(limitOf(30_000));
    await expect.poll(() => stateOf(writer.pid)).toBe('T');
    await frozen.thaw();
    await freezing;
    await quiescer.held();
    await quiescer.thaw();

    await frozen.freeze();
    await expect.poll(() => stateOf(sleeper.pid)).toBe('D');
    const stop = new AbortController();
    const never = quiescer.freeze(limitOf(30_000, stop.signal)).catch((error: unknown) => error);
    await expect.poll(() => stateOf(writer.pid)).toBe('T');
    stop.abort();
    expect(await never).toMatchObject({ code: 'FREEZE_FAILED', message: expect.stringContaining('called off') });
    await writer.writes();
    await frozen.thaw();
    await sleeper.writes();
  });

  it('A3 the agent and who started it are never stopped: the first is passed over, the second is a reason not to begin', async () => {
    const volume = await disk();
    const [ours, starter] = [await writing([join(volume.path, 'a')]), await writing([join(volume.path, 'b')])];
    const refused = quiescerOf([volume.path], {
      isOwn: (pid) => pid === ours.pid,
      whyNot: (pid) => (pid === starter.pid ? 'it started us' : undefined),
    });
    await expect(refused.freeze(limitOf(30_000))).rejects.toMatchObject({
      code: 'FREEZE_REFUSED',
      message: expect.stringMatching(new RegExp(`\\(${starter.pid}\\) is one of them.*it started us`)),
    });
    expect([await ours.isStill(), await starter.isStill(), noted()]).toEqual([false, false, []]);
  });

  it('A3 writers that are no processes are refused: a loop device, swap', async () => {
    const volume = await disk('ext4', undefined, 128 << 20);
    const writer = await writing([join(volume.path, 'a')]);
    const child = await disk('ext4', volume.path, 16 << 20);
    const refusal = (detail: RegExp) => ({ code: 'FREEZE_REFUSED', message: expect.stringMatching(detail) });
    await expect(quiescerOf([volume.path]).freeze(limitOf(30_000))).rejects.toMatchObject(refusal(/\/dev\/loop\d+ lies in .*image/));
    await expect(quiescerOf([child.image]).freeze(limitOf(30_000))).rejects.toMatchObject(refusal(/\/dev\/loop\d+ lies in/));
    await undo.pop()!();
    await undo.pop()!();
    await undo.pop()!();

    const swap = join(volume.path, 'swap');
    await run('dd', ['if=/dev/zero', `of=${swap}`, 'bs=1M', 'count=8']);
    await run('chmod', ['600', swap]);
    await run('mkswap', [swap]);
    await run('swapon', [swap]);
    undo.push(() => run('swapoff', [swap]));
    await expect(quiescerOf([volume.path]).freeze(limitOf(30_000))).rejects.toMatchObject(refusal(/swaps to .*swap/));
    await expect(quiescerOf([join(volume.path, 'absent')]).freeze(limitOf(30_000))).rejects.toMatchObject(refusal(/is not there/));
    expect(await writer.isStill()).toBe(false);
  });

  it('A3 whom a dead freeze left stopped runs on, from what was noted before; a later process with the same pid is let alone', async () => {
    const volume = await disk();
    const writers = [await writing([join(volume.path, 'a')]), await writing([join(volume.path, 'b')])];
    const quiescer = quiescerOf([volume.path]);
    await quiescer.freeze(limitOf(30_000));
    expect(noted()).toEqual(['stopped.json']);
    await leftStopped(folder).thaw();
    expect(await Promise.all(writers.map((writer) => writer.isStill()))).toEqual([false, false]);
    expect(noted()).toEqual([]);
    await leftStopped(folder).thaw();

    const [stranger] = writers;
    process.kill(stranger!.pid, 'SIGSTOP');
    await expect.poll(() => stateOf(stranger!.pid)).toBe('T');
    note(folder, [{ pid: stranger!.pid, start: `${Number(bornAt(stranger!.pid)) - 1}`, name: 'bash' }]);
    await leftStopped(folder).thaw();
    await pause(50);
    expect(stateOf(stranger!.pid)).toBe('T');
  });
});

function linkOf(pid: number, fd: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}
