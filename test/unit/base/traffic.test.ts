// Against real servers of TCP, TLS and a socket of the file system.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { countTraffic } from '../../../src/base/traffic.ts';
import { selfSigned } from '../../beds/self-signed.ts';

const sent = 300_000;
const received = 1_000_000;
const cleaning: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleaning.splice(0)) clean();
});

/** Answers a million bytes once it has had all that it is sent. */
function answer(socket: Socket): void {
  let had = 0;
  socket.on('data', (part) => {
    had += part.length;
    if (had === sent) socket.write(Buffer.alloc(received));
  });
  socket.on('error', () => undefined);
}

async function listening(where: ListenOptions, tls?: ReturnType<typeof selfSigned>) {
  const server = (tls ? createTlsServer(tls, answer) : createServer(answer)).listen(where);
  cleaning.push(() => void server.close());
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function talk(socket: Socket): Promise<Socket> {
  cleaning.push(() => void socket.destroy());
  let had = 0;
  const all = new Promise<void>((resolve) => {
    socket.on('data', (part) => {
      had += part.length;
      if (had === received) resolve();
    });
  });
  socket.write(Buffer.alloc(sent));
  await all;
  return socket;
}

it('M1 counts what connections carry while they are open and after, with TLS too, and nothing of the file system', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'traffic-'));
  cleaning.push(() => rmSync(folder, { recursive: true }));
  const certificate = selfSigned();
  const port = await listening({ port: 0, host: '127.0.0.1' });
  const tlsPort = await listening({ port: 0, host: '127.0.0.1' }, certificate);
  const path = join(folder, 'socket');
  await listening({ path });
  const before = await talk(connect(port, '127.0.0.1'));

  const traffic = countTraffic();
  expect(traffic()).toEqual({ received: 0, sent: 0 });
  before.write('not counted: it was there before');
  await talk(connect(path));
  expect(traffic()).toEqual({ received: 0, sent: 0 });
  const plain = await talk(connect(port, '127.0.0.1'));
  expect(traffic()).toEqual({ received, sent });
  plain.destroy();
  await once(plain, 'close');
  expect(traffic()).toEqual({ received, sent });

  const covered = { port: tlsPort, host: '127.0.0.1', ca: certificate.cert };
  await talk(tlsConnect(covered));
  expectAbout(traffic(), 2);
  // As the clients of databases do: plain first, then the cover.
  const first = connect(tlsPort, '127.0.0.1');
  await once(first, 'connect');
  const second = await talk(tlsConnect({ ...covered, socket: first }));
  expectAbout(traffic(), 3);
  second.destroy();
  await once(second, 'close');
  expectAbout(traffic(), 3);
});

function expectAbout(traffic: { readonly received: number; readonly sent: number }, times: number): void {
  for (const [found, wanted] of [
    [traffic.received, times * received],
    [traffic.sent, times * sent],
  ] as const) {
    expect(found).toBeGreaterThanOrEqual(wanted);
    expect(found).toBeLessThan(wanted * 1.02);
  }
}
