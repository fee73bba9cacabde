// Certificates that end while the agent runs: looked at once a day, and the new ones are served without a restart.
import type { Logger } from '../base/log.ts';
import { ensureCertificates, needsCertificates } from '../config/certificates.ts';
import type { ServerCertificates } from '../rpc/server.ts';

export interface CertificateWatch {
  readonly directory: string;
  /** Makes what is missing or ends soon, as at the start. */
  readonly makeCertificates: () => void;
  readonly serve: (certificates: ServerCertificates) => void;
  readonly log: Logger;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** Renews what ends within 30 days. Never throws: what fails is logged and tried again the next day. */
export async function renewCertificates({ directory, makeCertificates, serve, log, now }: CertificateWatch): Promise<void> {
  try {
    if (!needsCertificates(directory, now())) return;
    makeCertificates();
    const { ca, serverCert, serverKey } = await ensureCertificates(directory, now());
    serve({ ca, cert: serverCert, key: serverKey });
    log.info({ directory }, 'certificates renewed');
  } catch (error) {
    log.error({ err: error, directory }, 'certificates end soon and could not be renewed');
  }
}
