// A real TLS server whose certificates are about to end.
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { renewCertificates } from '../../../src/agent/certificate-watch.ts';
import { createLog } from '../../../src/base/log.ts';
import { certificateFiles } from '../../../src/config/certificate-files.ts';
import { ensureCertificates } from '../../../src/config/certificates.ts';
import { type Server, startServer } from '../../../src/rpc/server.ts';

const day = 24 * 3600_000;
let home: string;
let server: Server;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'certificate-watch-'));
});

/** Serves what an installation has whose certificates were made so many days ago, the last of them at the end. */
async function serve(...daysAgo: readonly number[]): Promise<void> {
  for (const days of daysAgo) await ensureCertificates(home, Date.now() - days * day);
  const { ca, serverCert: cert, serverKey: key } = await ensureCertificates(home, Date.now() - daysAgo.at(-1)! * day);
  const answers = { get: () => undefined, put: () => undefined, fingerprint: (text: string) => text };
  const tls = { ca, cert, key };
  server = await startServer({ host: '127.0.0.1', port: 0, tls, version: '0', handlers: {} as never, answers, log: log() });
}
afterEach(async () => {
  await server.close();
  rmSync(home, { recursive: true });
});

const log = () => createLog({ level: 'trace', file: join(home, 'log') });
const read = (path: string) => readFileSync(path, 'utf8');

const mine = () => {
  const { ca, client } = certificateFiles(home);
  return { ca: read(ca.cert), cert: read(client.cert), key: read(client.key) };
};

/** The certificate that the server shows to whoever comes with this installation's certificate; rejects where it lets nobody in. */
function shown(identity = mine()): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: server.port, servername: 'localhost' };
    const socket = connect({ ...options, ...identity });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed without an answer')));
    socket.on('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()!.toString();
      socket.write('GET /v1/nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
      // Under TLS 1.3 a client learns only with the first answer whether it was let in.
      socket.on('data', (text: Buffer) =>
        text.toString().startsWith('HTTP/1.1 404') ? resolve(certificate) : reject(new Error(`${text}`)),
      );
    });
  });
}

const watch = (make: () => void = () => undefined) =>
  renewCertificates({ directory: home, makeCertificates: make, serve: server.serve, log: log(), now: () => Date.now() });

it('P2 certificates that end soon are renewed and served while the agent runs', async () => {
  await serve(800); // they end in 25 days
  const { ca, server: own } = certificateFiles(home);
  const [before, authority] = [await shown(), read(ca.cert)];
  await watch();
  const after = await shown();
  expect(after).not.toBe(before);
  expect(after).toBe(new X509Certificate(read(own.cert)).toString());
  expect(Date.parse(new X509Certificate(after).validTo)).toBeGreaterThan(Date.now() + 800 * day);
  expect(read(ca.cert)).toBe(authority);
  await watch(() => expect.fail('they are good'));
  expect(await shown()).toBe(after);
});

it('P2 with a new authority old certificates let nobody in any more', async () => {
  await serve(3630, 200);
  const { ca } = certificateFiles(home);
  const [before, authority] = [await shown(), read(ca.cert)];
  const old = mine();
  await watch();
  expect(read(ca.cert)).not.toBe(authority);
  expect(await shown()).not.toBe(before);
  await expect(shown({ ...old, ca: mine().ca })).rejects.toThrow();
});

it('P2 what cannot be renewed is logged, and the old ones serve on', async () => {
  await serve(800);
  const before = await shown();
  await watch(() => {
    throw new Error('no process for it');
  });
  expect(await shown()).toBe(before);
  expect(read(join(home, 'log'))).toContain('could not be renewed');
});
