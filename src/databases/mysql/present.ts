// Does a server seem to run on this host? Nobody logs in to find out.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import type { DatabaseSettings } from '../../ports/database.ts';
import { addressOf, usualSockets } from './settings.ts';

const patience = 1000;

/** The socket or port that is set answers; where none is set, one of the usual ones does, or a process is called like a server. Throws USAGE. */
export async function isPresent(settings: DatabaseSettings): Promise<boolean> {
  const address = addressOf(settings);
  if (settings['socket'] || settings['host']) return answers(address);
  if (runsHere()) return true;
  const sockets = usualSockets.filter((path) => existsSync(path)).map((socket) => ({ socket }));
  for (const one of [...sockets, ...('socket' in address ? [] : [address])]) if (await answers(one)) return true;
  return false;
}

function answers(address: ReturnType<typeof addressOf>): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection('socket' in address ? { path: address.socket } : { host: address.host, port: address.port });
    const end = (there: boolean) => {
      socket.destroy();
      resolve(there);
    };
    socket.setTimeout(patience, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

function runsHere(): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && /^(mysqld|mariadbd)$/.test(readFileSync(`/proc/${pid}/comm`, 'utf8').trim());
    } catch {
      return false; // it has ended
    }
  });
}
