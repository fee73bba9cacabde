// The requests of rdmonitor, and what it reads for them: a root process is not to be held up or led astray by what it asks.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { layoutOf, makeLayout } from '../../../src/config/layout.ts';
import { askAgent, askProvider } from '../../../src/monitor/check.ts';
import { keptEnvironment } from '../../../src/monitor/environment.ts';
import { openMonitorLog } from '../../../src/monitor/log.ts';
import { defaultTimes, timesOf } from '../../../src/monitor/times.ts';

const home = mkdtempSync(join(tmpdir(), 'check-'));
const layout = layoutOf({ AGENT_HOME: home, AGENT_RUN: join(home, 'run') });
let server: Server | undefined;
const sockets = new Set<Socket>();
beforeEach(() => makeLayout(layout));
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  server = undefined;
  rmSync(home, { recursive: true });
});

/** A stand-in for rdprovider that answers so to its first line. */
async function provider(answer: (socket: Socket, line: string) => void): Promise<void> {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('data', (line) => answer(socket, String(line)));
  });
  await new Promise<void>((resolve) => server?.listen(join(layout.run, 'provider.sock'), resolve));
}

const limit = (ms = 20_000) => AbortSignal.timeout(ms);

describe('rdprovider', () => {
  it('A18 is well if it answers hello', async () => {
    let asked = '';
    await provider((socket, line) => {
      asked = line;
      socket.write('{"ok":true,"version":"1"}\n');
    });
    await askProvider(layout, limit());
    expect(asked).toBe('{"verb":"hello"}\n');
  });

  it.each([
    ['refuses', '{"ok":false,"detail":"no"}\n', 'it answers'],
    ['says nothing that it should', '"hello"\n', 'in'],
    ['is no JSON', 'hello\n', 'JSON'],
    ['has no end', 'x'.repeat(100_000), 'no end'],
  ])('A18 is not if its answer %s', async (_, text, reason) => {
    await provider((socket) => socket.write(text));
    await expect(askProvider(layout, limit())).rejects.toThrow(reason);
  });

  it('A18 is not if nobody listens, the connection is closed, or no answer comes in time', async () => {
    await expect(askProvider(layout, limit())).rejects.toThrow('ENOENT');
    await provider((socket) => socket.end());
    await expect(askProvider(layout, limit())).rejects.toThrow('closes the connection');
    server?.removeAllListeners('connection').on('connection', (socket: Socket) => void sockets.add(socket));
    await expect(askProvider(layout, limit(200))).rejects.toThrow();
  });
});

describe('what rdagent’s user can write', () => {
  it('A18 holds up nobody: a pipe, a link, a device or a port that is none is no address', async () => {
    const ask = () => askAgent(layout, 1, limit());
    await expect(ask()).rejects.toThrow('ENOENT');
    execFileSync('mkfifo', [layout.runFile]);
    await expect(ask()).rejects.toThrow('not what it should be');
    rmSync(layout.runFile);
    symlinkSync('/etc/hostname', layout.runFile);
    await expect(ask()).rejects.toThrow('ELOOP');
    rmSync(layout.runFile);
    for (const text of ['{"port":"1"}', '{"port":0}', '{}']) {
      writeFileSync(layout.runFile, text);
      await expect(ask()).rejects.toThrow('does not listen yet');
    }
    writeFileSync(layout.runFile, Buffer.alloc(100_000));
    await expect(ask()).rejects.toThrow('not what it should be');
  });

  it('A18 is not written to by root: no log goes through a link, into a pipe or into a file with a second name', async () => {
    const path = join(layout.log, 'monitor.log');
    const target = join(home, 'target');
    mkdirSync(layout.log, { recursive: true });
    writeFileSync(target, 'mine\n');
    for (const make of ['ln -s', 'ln', 'mkfifo']) {
      const words = make === 'mkfifo' ? [path] : [target, path];
      const [program = '', ...flags] = make.split(' ');
      execFileSync(program, [...flags, ...words]);
      const log = await openMonitorLog(path);
      log.info('hello');
      await log.close();
      rmSync(path);
    }
    expect(execFileSync('cat', [target], { encoding: 'utf8' })).toBe('mine\n');

    const log = await openMonitorLog(path);
    log.warn('hello', { process: 'x' });
    await log.close();
    const line: unknown = JSON.parse(execFileSync('cat', [path], { encoding: 'utf8' }));
    expect(line).toMatchObject({ level: 40, process: 'x', msg: 'hello' });
  });
});

describe('the environment', () => {
  it('A18 AGENT_CHECK_SECONDS sets both times, or is refused', () => {
    expect(timesOf({})).toBe(defaultTimes);
    expect(timesOf({ AGENT_CHECK_SECONDS: '2.5' })).toMatchObject({ checkEvery: 2500, answerWithin: 2500, stopWithin: 30_000 });
    for (const text of ['0', '-1', 'often', '1e9']) expect(() => timesOf({ AGENT_CHECK_SECONDS: text })).toThrow('AGENT_CHECK_SECONDS');
  });

  it('A18 of root reaches no other process but by name', () => {
    const kept = keptEnvironment({ PATH: '/bin', AGENT_HOME: '/h', AWS_SECRET_ACCESS_KEY: 'x', NODE_OPTIONS: '--inspect', TZ: undefined });
    expect(kept).toEqual({ PATH: '/bin', AGENT_HOME: '/h' });
  });
});
