// Where a server of its own is put: a directory that holds nothing, a port that nobody has.
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { isAbsolute } from 'node:path';
import { errnoOf, fail } from '../base/errors.ts';
import type { InstanceTarget } from '../model/service.ts';

/** Touches nothing. Throws USAGE, DIRECTORY_NOT_EMPTY, PORT_TAKEN, TARGET_FAILED. */
export async function needPlace({ directory, port }: Pick<InstanceTarget, 'directory' | 'port'>): Promise<void> {
  if (!isAbsolute(directory)) fail('USAGE', { detail: `${directory} is no absolute path` });
  if (!Number.isInteger(port) || port < 1 || port > 65_535) fail('USAGE', { detail: `a port is 1 to 65535, not ${port}` });
  if (namesIn(directory).length > 0) fail('DIRECTORY_NOT_EMPTY', { path: directory });
  await needPort(port);
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    return fail('TARGET_FAILED', { path: directory, detail: (error as Error).message }, { cause: error });
  }
}

/** On all addresses, so that one that somebody else has is found too. */
const needPort = (port: number): Promise<void> =>
  new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen({ port, host: '0.0.0.0', exclusive: true }, () => probe.close(() => resolve()));
  }).then(undefined, (cause: unknown) => {
    if (errnoOf(cause) === 'EADDRINUSE') fail('PORT_TAKEN', { port }, { cause });
    fail('TARGET_FAILED', { path: `port ${port}`, detail: (cause as Error).message }, { cause });
  }) as Promise<void>;
