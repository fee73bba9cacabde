import { join } from 'node:path';

export interface CertificateFile {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFiles {
  readonly ca: CertificateFile;
  readonly server: CertificateFile;
  readonly client: CertificateFile;
}

/** The installation's own authority, what rdagent shows, and what agentcli shows. */
export function certificateFiles(directory: string): CertificateFiles {
  const pair = (name: string): CertificateFile => ({ cert: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) });
  return { ca: pair('ca'), server: pair('server'), client: pair('client') };
}
