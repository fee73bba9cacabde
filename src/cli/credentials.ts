// Keys of an object store: from a file, from the environment, or asked for; never from the command line, where everybody could read them.
import { fail } from '../base/errors.ts';
import type { Credentials } from '../model/pool.ts';
import { readTextFile } from './files.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const names: Readonly<Record<string, keyof Credentials>> = {
  aws_access_key_id: 'accessKey',
  access_key: 'accessKey',
  accesskey: 'accessKey',
  stillpoint_access_key: 'accessKey',
  aws_secret_access_key: 'secretKey',
  secret_key: 'secretKey',
  secretkey: 'secretKey',
  stillpoint_secret_key: 'secretKey',
  aws_session_token: 'sessionToken',
  session_token: 'sessionToken',
  stillpoint_session_token: 'sessionToken',
};

/**
 * `KEY=value` lines, or an INI file as the AWS tools write it, of which the section [default] counts (the first one if there is none).
 * Throws CREDENTIALS_FILE. Never puts a value into an error.
 */
export function parseCredentials(text: string, path: string): Credentials {
  const sections = new Map<string, Partial<Record<keyof Credentials, string>>>();
  let section = '';
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || /^[#;]/.test(line)) continue;
    const header = /^\[\s*(?:profile\s+)?([^\]]+?)\s*\]$/.exec(line);
    if (header?.[1]) {
      section = header[1];
      continue;
    }
    const split = line.indexOf('=');
    if (split < 1) fail('CREDENTIALS_FILE', { path, detail: `line ${i + 1} is not KEY=value` });
    const name =
      names[
        line
          .slice(0, split)
          .replace(/^export\s+/, '')
          .trim()
          .toLowerCase()
      ];
    const value = line
      .slice(split + 1)
      .trim()
      .replace(/^(["'])(.*)\1$/, '$2');
    if (name && value) sections.set(section, { ...sections.get(section), [name]: value });
  }
  const found = sections.get('default') ?? sections.get('') ?? [...sections.values()][0] ?? {};
  const { accessKey, secretKey, sessionToken } = found;
  if (!accessKey) fail('CREDENTIALS_FILE', { path, detail: 'it has no access key' });
  if (!secretKey) fail('CREDENTIALS_FILE', { path, detail: 'it has no secret key' });
  return { accessKey, secretKey, ...(sessionToken && { sessionToken }) };
}

export function credentialsFromEnvironment(environment: Environment): Credentials | undefined {
  for (const [key, secret, token] of [
    ['STILLPOINT_ACCESS_KEY', 'STILLPOINT_SECRET_KEY', 'STILLPOINT_SESSION_TOKEN'],
    ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'],
  ] as const) {
    const [accessKey, secretKey, sessionToken] = [environment[key], environment[secret], environment[token]];
    if (accessKey && secretKey) return { accessKey, secretKey, ...(sessionToken && { sessionToken }) };
  }
  return undefined;
}

/** Asks for a hidden line; undefined where there is nobody to ask. */
export type AskSecret = ((question: string) => Promise<string>) | undefined;

/** Throws CREDENTIALS_NEEDED if there is neither a file, nor the environment, nor anybody to ask. */
export async function findCredentials(
  file: string | undefined,
  environment: Environment,
  ask: AskSecret,
  what: string,
): Promise<Credentials> {
  if (file !== undefined) return parseCredentials(readTextFile(file), file);
  const found = credentialsFromEnvironment(environment);
  if (found) return found;
  if (!ask) fail('CREDENTIALS_NEEDED', { what });
  const accessKey = (await ask('Access key')).trim();
  const secretKey = (await ask('Secret key')).trim();
  if (!accessKey || !secretKey) fail('CREDENTIALS_NEEDED', { what });
  return { accessKey, secretKey };
}
