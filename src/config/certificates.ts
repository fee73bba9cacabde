// The installation's own certificates: an authority, rdagent's for loopback, and agentcli's. Whoever holds the client key is administrator.
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fail } from '../base/errors.ts';
import { type CertificateFile, type CertificateFiles, certificateFiles } from './certificate-files.ts';
import { writePrivateFile } from './private-file.ts';

const day = 24 * 3600 * 1000;
const caDays = 3650;
/** What browsers and TLS libraries accept at most for a leaf. */
const leafDays = 825;
const renewBefore = 30 * day;

export interface Certificates {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly files: CertificateFiles;
}

/** Whether something is missing or ends within 30 days. Throws CONFIG_INVALID if a file is there but is no certificate. */
export function needsCertificates(directory: string, now: number = Date.now()): boolean {
  const { ca, stale } = findStale(directory, now);
  return ca || stale.length > 0;
}

/** Makes what is missing and renews what ends soon. Throws CONFIG_INVALID if a file is there but is no certificate. */
export async function ensureCertificates(directory: string, now: number = Date.now()): Promise<Certificates> {
  const files = certificateFiles(directory);
  const { ca, stale } = findStale(directory, now);
  if (ca || stale.length > 0) {
    // node-forge takes memory that an idle agent does not need, so it is only loaded when there is something to issue.
    const { issueAuthority, issueLeaf } = await import('./issue.ts');
    if (ca) store(files.ca, issueAuthority(now, caDays));
    const authority = { cert: readFileSync(files.ca.cert, 'utf8'), key: readFileSync(files.ca.key, 'utf8') };
    for (const name of stale) store(files[name], issueLeaf(authority, name, now, leafDays));
  }
  return {
    ca: readFileSync(files.ca.cert, 'utf8'),
    serverCert: readFileSync(files.server.cert, 'utf8'),
    serverKey: readFileSync(files.server.key, 'utf8'),
    files,
  };
}

function findStale(directory: string, now: number) {
  const files = certificateFiles(directory);
  const ca = !isGood(files.ca, now);
  return { ca, stale: (['server', 'client'] as const).filter((name) => ca || !isGood(files[name], now, files.ca)) };
}

function store(file: CertificateFile, pair: { readonly cert: string; readonly key: string }): void {
  writePrivateFile(file.key, pair.key);
  writePrivateFile(file.cert, pair.cert, 0o640);
}

function isGood(file: CertificateFile, now: number, issuer?: CertificateFile): boolean {
  if (!existsSync(file.cert) || !existsSync(file.key)) return false;
  const certificate = parse(file.cert);
  if (Date.parse(certificate.validTo) - now < renewBefore) return false;
  return !issuer || certificate.verify(parse(issuer.cert).publicKey);
}

function parse(path: string): X509Certificate {
  try {
    return new X509Certificate(readFileSync(path));
  } catch (error) {
    fail('CONFIG_INVALID', { file: path, detail: 'it is no certificate; remove it and its key to have new ones made' }, { cause: error });
  }
}
