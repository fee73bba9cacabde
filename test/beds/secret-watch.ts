// Looks for secrets where everybody, or everybody of this user, can look: command lines and environments of all processes, files, texts.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Find {
  readonly secret: string;
  readonly where: string;
}

/** The ways in which a secret may be written down: as it is, and as bytes in base64 and hex. */
export function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = bytes.toString('base64').replace(/=+$/, '');
  // The last characters of base64 depend on what follows.
  return [secret, encodeURIComponent(secret), base64.slice(0, -2), bytes.toString('hex'), secret.replaceAll('-', '')].filter(unique);
}

const unique = (text: string, at: number, all: readonly string[]): boolean => all.indexOf(text) === at;

/** `secrets`: name → value. */
export function findIn(secrets: ReadonlyMap<string, string>, where: string, content: Buffer | string): Find[] {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const found: Find[] = [];
  for (const [secret, value] of secrets) if (spellings(value).some((text) => bytes.includes(text))) found.push({ secret, where });
  return found;
}

export function findInFiles(secrets: ReadonlyMap<string, string>, top: string): Find[] {
  return readdirSync(top, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
    const path = join(top, name);
    if (!(statSync(path, { throwIfNoEntry: false })?.isFile() ?? false)) return [];
    return findIn(secrets, path, readFileSync(path));
  });
}

export interface ProcessWatch {
  /** Every distinct command line and environment seen so far, with the process's name. */
  readonly seen: ReadonlyMap<string, string>;
  stop(): void;
}

/** Looks at all processes some hundred times a second. */
export function watchProcesses(): ProcessWatch {
  const seen = new Map<string, string>();
  const look = () => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      for (const file of ['cmdline', 'environ']) {
        try {
          const text = readFileSync(`/proc/${pid}/${file}`, 'latin1');
          if (text !== '' && !seen.has(text)) seen.set(text, `${file} of ${readFileSync(`/proc/${pid}/comm`, 'latin1').trim()}`);
        } catch {
          // It has ended, or is another user's.
        }
      }
  };
  const timer = setInterval(look, 5);
  return { seen, stop: () => clearInterval(timer) };
}
