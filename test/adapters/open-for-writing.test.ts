// Who writes to a disk or a disk image, told from real processes, loop devices and mounts. Needs root.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, linkSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writerOfDisk } from '../../src/base/open-for-writing.ts';
import { needPrograms } from '../beds/programs.ts';

let top: string;
let image: string;
const undo: (() => unknown)[] = [];
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'open-for-writing-'));
  image = join(top, 'disk.img');
  writeFileSync(image, Buffer.alloc(8 << 20));
});
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
  rmSync(top, { recursive: true });
});

/** A process that has it open, with the shell's `how`. */
async function holder(how: '<' | '<>' | '>>', path: string): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', `exec 7${how}"$0"; echo open; read line`, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const end = async () => {
    if (child.exitCode !== null) return;
    child.stdin.end();
    await once(child, 'exit');
  };
  undo.push(end);
  await once(child.stdout, 'data');
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  child.stdin!.end();
  await once(child, 'exit');
}

/** Others look for free loop devices at the same time. */
function loop(...options: string[]): string {
  needPrograms(['losetup', 'mkfs.ext4', 'addpart'], 'mount e2fsprogs util-linux');
  for (let attempt = 1; ; attempt++) {
    try {
      const device = execFileSync('losetup', ['--find', '--show', ...options, image], { encoding: 'utf8' }).trim();
      undo.push(() => execFileSync('losetup', ['--detach', device]));
      return device;
    } catch (error) {
      if (attempt === 10) throw error;
    }
  }
}

describe('who writes to a disk', () => {
  it('S6 a process that has an image open for writing is named, whatever name it was opened by; one that reads is not', async () => {
    expect(writerOfDisk(image)).toBeUndefined();
    await holder('<', image);
    expect(writerOfDisk(image)).toBeUndefined();
    linkSync(image, join(top, 'other name'));
    symlinkSync(image, join(top, 'link'));
    for (const how of ['<>', '>>'] as const) {
      const child = await holder(how, join(top, 'other name'));
      const found = { what: `open for writing by sh (${child.pid})` };
      expect([writerOfDisk(image), writerOfDisk(join(top, 'link'))]).toEqual([found, found]);
      await ended(child);
      expect(writerOfDisk(image)).toBeUndefined();
    }
  });

  it('S6 a descriptor that only names the image is no writer, nor is one of another file', async () => {
    await holder('<>', join(top, 'another file'));
    const fd = openSync(image, 0o10000000 | constants.O_RDWR);
    undo.push(() => closeSync(fd));
    expect(writerOfDisk(image)).toBeUndefined();
  });

  it('S6 a process that has a raw device open for writing is named: for the device, and for the image below it', async () => {
    const device = loop();
    expect([writerOfDisk(device), writerOfDisk(image)]).toEqual([undefined, undefined]);
    await holder('<', device);
    expect(writerOfDisk(device)).toBeUndefined();
    const child = await holder('<>', device);
    const found = { what: `open for writing by sh (${child.pid})` };
    expect([writerOfDisk(device), writerOfDisk(image)]).toEqual([found, found]);
    await ended(child);
    expect([writerOfDisk(device), writerOfDisk(image)]).toEqual([undefined, undefined]);
  });

  it('S6 a node of another name for the same device leads to it, too', async () => {
    const device = loop();
    const node = join(top, 'node');
    execFileSync('cp', ['--archive', device, node]);
    const child = await holder('<>', node);
    expect(writerOfDisk(device)).toEqual({ what: `open for writing by sh (${child.pid})` });
  });

  it('S6 partitions: who writes to the disk writes to each of them, and the other way round', async () => {
    const device = loop('--partscan');
    // Not every kernel reads partition tables.
    for (const [number, first] of [
      [1, 2048],
      [2, 6144],
    ] as const)
      execFileSync('addpart', [device, String(number), String(first), '4096']);
    const first = `${device}p1`;
    expect(writerOfDisk(first)).toBeUndefined();
    const whole = await holder('<>', device);
    expect(writerOfDisk(first)).toMatchObject({ what: `open for writing by sh (${whole.pid})` });
    await ended(whole);
    const part = await holder('<>', first);
    expect(writerOfDisk(device)).toMatchObject({ what: `open for writing by sh (${part.pid})` });
    expect(writerOfDisk(`${device}p2`)).toBeUndefined();
  });

  it('S6 what is mounted to be written to is told by its mount point; what is mounted read-only is idle', async () => {
    execFileSync('mkfs.ext4', ['-q', image]);
    const device = loop();
    const point = join(top, 'point');
    mkdirSync(point);
    execFileSync('mount', [device, point]);
    undo.push(() => execFileSync('umount', [point]));
    const found = { what: `mounted on ${point}` };
    expect([writerOfDisk(device), writerOfDisk(image)]).toEqual([found, found]);
    execFileSync('mount', ['-o', 'remount,ro', point]);
    expect([writerOfDisk(device), writerOfDisk(image)]).toEqual([undefined, undefined]);
  });

  it('S6 a device that was claimed for itself alone has a writer that cannot be seen otherwise', async () => {
    const device = loop();
    const fd = openSync(device, constants.O_RDONLY | constants.O_EXCL);
    const found = { what: expect.stringContaining(`claimed through ${device}`) };
    expect([writerOfDisk(device), writerOfDisk(image)]).toEqual([found, found]);
    closeSync(fd);
    expect(writerOfDisk(device)).toBeUndefined();
  });

  it('S6 without the rights to look nothing is claimed to be idle', () => {
    const code = `import { writerOfDisk } from '${join(import.meta.dirname, '../../src/base/open-for-writing.ts')}';
      process.setgid(65534); process.setuid(65534); console.log(JSON.stringify(writerOfDisk(process.argv[1])));`;
    execFileSync('chmod', ['-R', 'a+rX', top]);
    const told = execFileSync(process.execPath, ['--input-type=module', '-e', code, image], { encoding: 'utf8' });
    expect(JSON.parse(told)).toEqual({ what: expect.stringContaining('without root'), unknown: true });
  });

  it('S6 what is no disk and what is not there has no writer', () => {
    expect([writerOfDisk(top), writerOfDisk('/dev/null'), writerOfDisk(join(top, 'absent'))]).toEqual([undefined, undefined, undefined]);
  });
});
