// The driver in front of SAP HANA, as far as it goes without one: what becomes of a server that is not there or does not behave.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { hanaFreezer } from '../../src/databases/hana/freeze.ts';
import { connectHana } from '../../src/databases/hana/session.ts';
import { accessOf } from '../../src/databases/hana/settings.ts';
import { freePort } from '../beds/programs.ts';
import { selfSigned } from '../beds/self-signed.ts';

let closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing) close();
  closing = [];
});

async function listening(serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

const settings = (port: number) => ({ user: 'BACKUP_USER', password: 'geheim', port: String(port) });

const refusal = async (work: Promise<unknown>): Promise<StillpointError> => {
  const error = await work.then(
    () => undefined,
    (thrown: StillpointError) => thrown,
  );
  expect(`${error?.message} ${error?.hint}`).not.toContain('geheim');
  return error!;
};

describe('SAP HANA over its driver', () => {
  it('A22 a closed port is a server that is down; its freeze has nothing to close, a rescue may have', async () => {
    const port = await freePort();
    const quiescer = hanaFreezer.quiescer(settings(port), () => undefined);
    const down = await refusal(quiescer.freeze({ deadline: systemClock.boottime() + 60_000, signal: new AbortController().signal }));
    expect(down).toMatchObject({ code: 'DATABASE_DOWN', message: expect.stringContaining(`127.0.0.1:${port}`) });
    expect(await quiescer.thaw()).toEqual({});
    expect((await refusal(hanaFreezer.quiescer(settings(port), () => undefined).thaw())).code).toBe('FREEZE_THAW_FAILED');
    expect(await hanaFreezer.present(settings(port))).toBe(false);
  });

  it('A22 a file of certificates that cannot be read is named', async () => {
    const quiescer = hanaFreezer.quiescer({ ...settings(1), ca: '/nowhere/ca.pem' }, () => undefined);
    const unread = await refusal(quiescer.freeze({ deadline: systemClock.boottime() + 60_000, signal: new AbortController().signal }));
    expect(unread).toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining('/nowhere/ca.pem') });
  });

  it('A22 a server whose certificate ca does not vouch for is told as that, not as one that is down', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'hana-'));
    closing.push(() => rmSync(dir, { recursive: true }));
    const ca = join(dir, 'ca.pem');
    writeFileSync(ca, selfSigned().cert);
    const papers = selfSigned();
    const own = join(dir, 'own.pem');
    writeFileSync(own, papers.cert);
    const stranger = createTlsServer(papers, (socket) => socket.on('error', () => undefined));
    stranger.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    closing.push(() => stranger.close());
    const { port } = stranger.address() as { port: number };
    const error = await refusal(connectHana(accessOf({ ...settings(port), ca }), 5000));
    expect(error).toMatchObject({
      code: 'DATABASE_FAILED',
      message: expect.stringMatching(/^SAP HANA could not prove itself by .*ca\.pem: /),
    });
    // The right one, by an address: from there on it is only deaf.
    expect((await refusal(connectHana(accessOf({ ...settings(port), ca: own }), 500))).code).toBe('DATABASE_DOWN');
  });

  it('A3 a server that says nothing, hangs up or talks nonsense ends the wait; a rescue is not believed then', async () => {
    const silent = await listening(() => undefined);
    const access = accessOf(settings(silent));
    const late = await refusal(connectHana(access, 200));
    expect(late.code).toBe('DATABASE_DOWN');
    const stop = new AbortController();
    const opening = refusal(connectHana(access, 60_000, stop.signal));
    stop.abort();
    expect((await opening).code).toBe('DATABASE_DOWN');

    const rude = accessOf(settings(await listening((socket) => socket.destroy())));
    expect((await refusal(connectHana(rude, 2000))).code).toBe('DATABASE_DOWN');
    const babbling = accessOf(settings(await listening((socket) => socket.on('data', () => socket.write(Buffer.alloc(8))))));
    expect((await refusal(connectHana(babbling, 2000))).code).toMatch(/^DATABASE_/);

    const begun = performance.now();
    expect((await refusal(hanaFreezer.quiescer(settings(silent), () => undefined).thaw())).code).toBe('FREEZE_THAW_FAILED');
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(await hanaFreezer.present(settings(silent))).toBe(true);
  });
});
