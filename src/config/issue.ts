// Issues RSA certificates. Keys come from node:crypto, which is many times faster than node-forge; forge builds and signs.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import forge from 'node-forge';

export interface Pem {
  readonly cert: string;
  readonly key: string;
}

const day = 24 * 3600 * 1000;
const bits = 2048;

/** A new authority with a random number in its name, so that certificates of two installations are never taken for one another. */
export function issueAuthority(now: number, days: number): Pem {
  const keys = newKeys();
  const certificate = blank(keys.publicKey, now, days);
  const name = [{ name: 'commonName', value: `Stillpoint installation ${randomBytes(4).toString('hex')}` }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(certificate), key: keys.pem };
}

/** A certificate for rdagent on loopback, or for agentcli. */
export function issueLeaf(authority: Pem, role: 'server' | 'client', now: number, days: number): Pem {
  const issuer = forge.pki.certificateFromPem(authority.cert);
  const keys = newKeys();
  const certificate = blank(keys.publicKey, now, days);
  certificate.setSubject([{ name: 'commonName', value: role === 'server' ? 'localhost' : 'agentcli' }]);
  certificate.setIssuer(issuer.subject.attributes);
  const alternatives = [
    { type: 2, value: 'localhost' },
    { type: 7, ip: '127.0.0.1' },
    { type: 7, ip: '::1' },
  ];
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: role === 'server', clientAuth: role === 'client' },
    { name: 'authorityKeyIdentifier', keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes() },
    ...(role === 'server' ? [{ name: 'subjectAltName', altNames: alternatives }] : []),
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(authority.key), forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(certificate), key: keys.pem };
}

function newKeys() {
  const pair = generateKeyPairSync('rsa', { modulusLength: bits });
  const pem = pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  const publicPem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return { pem, privateKey: forge.pki.privateKeyFromPem(pem), publicKey: forge.pki.publicKeyFromPem(publicPem) };
}

function blank(publicKey: forge.pki.PublicKey, now: number, days: number): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  // The first bit stays 0: X.509 serial numbers are positive.
  const serial = randomBytes(16);
  serial[0] = serial[0]! & 0x7f;
  certificate.serialNumber = serial.toString('hex');
  // An hour back, for clocks that are a little behind.
  certificate.validity.notBefore = new Date(now - 3600 * 1000);
  certificate.validity.notAfter = new Date(now + days * day);
  return certificate;
}
