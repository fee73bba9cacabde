// Whether a server runs on this host, told from one in a container: real processes in real namespaces.
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listens, runs } from '../../src/databases/presence.ts';
import { run } from '../beds/programs.ts';

let dir: string;
let children: ChildProcess[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'presence-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    // What it started in a namespace of processes dies with the first one there.
    process.kill(-child.pid!, 'SIGKILL');
    await gone;
  }
  rmSync(dir, { recursive: true, force: true });
});

/** A program of a name that nothing else on this host has, run by `words`; resolves when it runs. */
async function server(name: string, ...words: readonly string[]): Promise<void> {
  const [program, ...args] = words;
  children.push(spawn(program!, args, { stdio: 'ignore', detached: true }));
  await expect.poll(() => names().filter((one) => one === name)).toHaveLength(1);
}

const names = (): readonly string[] =>
  readdirSync('/proc')
    .filter((id) => /^\d+$/.test(id))
    .map((id) => {
      try {
        return readFileSync(`/proc/${id}/comm`, 'utf8').trimEnd();
      } catch {
        return '';
      }
    });

const copyOf = (name: string): string => {
  const path = join(dir, name);
  copyFileSync('/bin/sleep', path);
  return path;
};

describe('servers that run', () => {
  it('A1 one of this host is seen, also one that systemd gave a mount namespace of its own', async () => {
    expect(await runs(['sp-here', 'sp-service'])).toBe(false);
    await server('sp-here', copyOf('sp-here'), '600');
    expect(await runs(['other', 'sp-here'])).toBe(true);
    await server('sp-service', 'unshare', '--mount', copyOf('sp-service'), '600');
    expect(await runs(['sp-service'])).toBe(true);
  });

  it('A1 one in a container is not: it has process ids of its own', async () => {
    await server('sp-inside', 'unshare', '--pid', '--fork', copyOf('sp-inside'), '600');
    expect(await runs(['sp-inside'])).toBe(false);
  });

  it('A1 one in a container is not: it has a root of its own', async () => {
    const program = copyOf('sp-root');
    const needs = [...(await run('ldd', [program])).matchAll(/(\/\S+)/g)].map(([path]) => path);
    for (const path of needs) {
      mkdirSync(join(dir, dirname(path)), { recursive: true });
      copyFileSync(path, join(dir, path));
    }
    await server('sp-root', 'unshare', '--mount', 'chroot', dir, '/sp-root', '600');
    expect(await runs(['sp-root'])).toBe(false);
  });
});

describe('servers that listen', () => {
  it('A1 one at a socket or a port is there, whatever it says; nobody is not', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(join(dir, 'socket'), resolve));
    expect(await listens({ path: join(dir, 'socket') })).toBe(true);
    await new Promise((resolve) => silent.close(resolve));
    expect(await listens({ path: join(dir, 'socket') })).toBe(false);
    expect(await listens({ path: join(dir, 'nobody') })).toBe(false);
  });
});
