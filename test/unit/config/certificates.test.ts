import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificateFiles } from '../../../src/config/certificate-files.ts';
import { ensureCertificates, needsCertificates } from '../../../src/config/certificates.ts';

const day = 24 * 3600 * 1000;
let home: string;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'stillpoint-certs-'));
  await ensureCertificates(home);
});
afterAll(() => rmSync(home, { recursive: true }));

const certificate = (path: string) => new X509Certificate(readFileSync(path));

describe('certificates', () => {
  it('P2 issues a server certificate for loopback and a client certificate from its own authority', () => {
    const files = certificateFiles(home);
    const [ca, server, client] = [files.ca, files.server, files.client].map((file) => certificate(file.cert)) as [
      X509Certificate,
      X509Certificate,
      X509Certificate,
    ];
    expect(server.checkIssued(ca) && server.verify(ca.publicKey)).toBe(true);
    expect(client.checkIssued(ca) && client.verify(ca.publicKey)).toBe(true);
    expect([server.checkIP('127.0.0.1'), server.checkIP('::1'), server.checkHost('localhost')]).toEqual(['127.0.0.1', '::1', 'localhost']);
    expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(ca.ca && !server.ca && !client.ca).toBe(true);
    for (const file of [files.ca, files.server, files.client]) expect(statSync(file.key).mode & 0o777).toBe(0o600);
  });

  it('P2 leaves good ones alone and renews what ends within 30 days, keeping the authority', async () => {
    const { ca, server } = certificateFiles(home);
    const before = [ca.cert, server.cert].map((path) => readFileSync(path, 'utf8'));
    await ensureCertificates(home);
    expect([ca.cert, server.cert].map((path) => readFileSync(path, 'utf8'))).toEqual(before);
    const later = Date.now() + 800 * day;
    expect(needsCertificates(home)).toBe(false);
    expect(needsCertificates(home, later)).toBe(true);
    await ensureCertificates(home, later);
    expect(readFileSync(ca.cert, 'utf8')).toBe(before[0]);
    expect(Date.parse(certificate(server.cert).validTo)).toBeGreaterThan(later + 800 * day);
  });

  it('P2 says which file is no certificate', async () => {
    writeFileSync(certificateFiles(home).client.cert, 'nonsense');
    await expect(ensureCertificates(home)).rejects.toThrow('client.crt is not usable');
  });
});
