// Does a server seem to run on this host? Nobody logs in to find out.
import { existsSync } from 'node:fs';
import type { DatabaseSettings } from '../../ports/database.ts';
import { listens, runs } from '../presence.ts';
import { type Address, addressOf, usualSockets } from './settings.ts';

/** The socket or port that is set answers; where none is set, one of the usual ones does, or a process is called like a server. Throws USAGE. */
export async function isPresent(settings: DatabaseSettings): Promise<boolean> {
  const address = addressOf(settings);
  if (settings['socket'] || settings['host']) return answers(address);
  if (await runs(['mysqld', 'mariadbd'])) return true;
  const sockets = usualSockets.filter((path) => existsSync(path)).map((socket) => ({ socket }));
  for (const one of [...sockets, ...('socket' in address ? [] : [address])]) if (await answers(one)) return true;
  return false;
}

const answers = (address: Address): Promise<boolean> => listens('socket' in address ? { path: address.socket } : address);
