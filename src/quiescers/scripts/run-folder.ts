// The folder of one freeze: AGENT_RUN/freeze/<id>. Its socket is the life line of everything that the freeze started: who is connected sees
// the end of the freezer at once, however it ended.
import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { fail } from '../../base/errors.ts';
import { faultOfFolders } from '../../base/safe-file.ts';
import { withSocketPath } from '../../base/socket-path.ts';

const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Throws USAGE for an id that is no plain name. */
export function runFolderOf(run: string, id: string): string {
  if (!idPattern.test(id)) fail('USAGE', { detail: `${JSON.stringify(id.slice(0, 80))} is no id of a freeze` });
  return join(run, 'freeze', id);
}

export const lifeline = 'rdfreeze.sock';

export interface RunFolder {
  readonly path: string;
  /** Ends the life line and removes the folder. */
  close(): void;
}

/** Throws CONFIG_INVALID where others may write it or a folder above it: root believes what lies here. */
export function makeRunFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  checkRunFolder(path);
}

/** Throws CONFIG_INVALID. */
export function checkRunFolder(path: string): void {
  const fault = faultOfFolders(path, process.getuid?.() ?? 0);
  if (fault) fail('CONFIG_INVALID', { file: path, detail: fault });
}

/** To be called by the freezer before anything is frozen. */
export async function openRunFolder(run: string, id: string): Promise<RunFolder> {
  const path = runFolderOf(run, id);
  makeRunFolder(path);
  rmSync(join(path, lifeline), { force: true });
  const connected = new Set<Socket>();
  const server = createServer((socket) => {
    connected.add(socket);
    socket.unref();
    socket.on('error', () => undefined);
    socket.once('close', () => connected.delete(socket));
  });
  await withSocketPath(path, lifeline, (at) => listen(server, at));
  server.unref();
  return {
    path,
    close() {
      server.close();
      for (const socket of connected) socket.destroy();
      // Who sees the end of the life line may still write into it.
      rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
    },
  };
}

/** Listens on a socket that only its owner can connect to. */
export function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The socket is made within the call.
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}
