// A virtual machine with a stock kernel, for what this host's own kernel has not (device-mapper): qemu without acceleration, so about five times
// slower, and a fork about thirty times. Driven over ssh with a key of its own; it dies with the test process.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, needPrograms, run, startServer, stopServer } from '../programs.ts';
import { modulesDisk, productDisk } from './product-disk.ts';
import { rootImage } from './root-image.ts';

export interface Said {
  readonly code: number | null;
  readonly out: string;
}

export interface Machine {
  /** Runs a program as root, in the checkout. Rejects only when `timeout` (ms) has passed. */
  run(argv: readonly string[], timeout?: number): Promise<Said>;
  /** The text of one file. */
  copyOut(path: string): Promise<string>;
  /** Kills it, whatever it does, and removes its disks. */
  stop(): Promise<void>;
}

/** An empty disk for volume groups: /dev/disk/by-id/virtio-volumes. */
const volumesBytes = 6 * 2 ** 30;

/** Resolves when it can be logged in to. Throws with the end of its console when that does not come about within five minutes. */
export async function startMachine(): Promise<Machine> {
  needPrograms(['qemu-system-x86_64', 'ssh', 'ssh-keygen'], 'qemu-system-x86 openssh-client');
  const image = await rootImage();
  const modules = await modulesDisk();
  const folder = mkdtempSync(join(tmpdir(), 'vm-'));
  try {
    const key = join(folder, 'key');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const product = await productDisk(folder);
    const volumes = sparse(join(folder, 'volumes.disk'), volumesBytes);
    const port = await freePort();
    const args = [
      ...['-accel', 'tcg,thread=multi', '-machine', 'q35', '-cpu', 'max', '-smp', '2', '-m', '2048'],
      ...['-display', 'none', '-no-reboot', '-serial', 'stdio', '-monitor', 'none'],
      ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', 'root=/dev/vda rw console=ttyS0 no_timer_check mitigations=off'],
      ...['-netdev', `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`, '-device', 'virtio-net-pci,netdev=net'],
      ...['-device', 'virtio-rng-pci'],
      ...[drive('root', image.disk, true), drive('modules', modules, true), drive('product', product), drive('volumes', volumes)].flat(),
    ];
    const console = join(folder, 'console');
    const qemu = startServer('qemu-system-x86_64', args, console);
    const stop = async () => {
      await stopServer(qemu);
      rmSync(folder, { recursive: true, force: true });
    };
    const machine = machineAt(key, port, stop);
    await whenUp(machine, qemu, console).catch(async (error: unknown) => {
      await stopServer(qemu);
      throw error;
    });
    return machine;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** `kept`: what the machine writes goes elsewhere and is gone with it. */
function drive(name: string, file: string, kept = false): string[] {
  const options = `file=${file},id=${name},if=none,format=raw,cache=unsafe${kept ? ',snapshot=on' : ''}`;
  return ['-drive', options, '-device', `virtio-blk-pci,drive=${name},serial=${name}`];
}

function sparse(path: string, bytes: number): string {
  const fd = openSync(path, 'wx');
  ftruncateSync(fd, bytes);
  closeSync(fd);
  return path;
}

function machineAt(key: string, port: number, stop: () => Promise<void>): Machine {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR', 'ConnectTimeout=30'];
  const ssh = ['-F', '/dev/null', '-i', key, '-p', String(port), ...options.flatMap((option) => ['-o', option]), 'root@127.0.0.1'];
  const machine: Machine = {
    run: (argv, timeout = 120_000) => sayOf('ssh', [...ssh, `cd /srv/product && exec ${argv.map(quoted).join(' ')}`], timeout),
    async copyOut(path) {
      const { code, out } = await machine.run(['cat', '--', path]);
      if (code !== 0) throw new Error(`${path}: ${out}`);
      return out;
    },
    stop,
  };
  return machine;
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

function sayOf(program: string, args: readonly string[], timeout: number): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`not done within ${timeout / 1000} s:\n${out.slice(-3000)}`));
    }, timeout);
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out });
    });
  });
}

async function whenUp(machine: Machine, qemu: ChildProcess, console: string): Promise<void> {
  const deadline = performance.now() + 300_000;
  for (;;) {
    const { code, out } = await machine.run(['true'], 60_000).catch((error: unknown) => ({ code: null, out: String(error) }));
    if (code === 0) return;
    if (qemu.exitCode !== null || performance.now() > deadline)
      throw new Error(`the machine does not come up: ${out}\n${readFileSync(console, 'utf8').slice(-3000)}`);
    await pause(500);
  }
}
