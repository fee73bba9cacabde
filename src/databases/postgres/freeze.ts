// PostgreSQL 9.6 and later.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseFreezer } from '../../ports/database.ts';
import { listens, runs } from '../presence.ts';
import { postgresQuiescer } from './quiesce.ts';
import { accessOf, settings } from './settings.ts';

export const postgresFreezer: DatabaseFreezer = {
  name: 'postgres',
  settings,

  async present(given) {
    const port = given['port'] || settings.port.fallback;
    if (given['host']) return listens({ host: given['host'], port: Number(port) });
    const folder = given['socket'] || settings.socket.fallback;
    // Where no port is set any socket tells of a server: a second cluster listens at 5433.
    const names = await readdir(folder).catch(() => []);
    const sockets = names.filter((name) => (given['port'] ? name === `.s.PGSQL.${port}` : /^\.s\.PGSQL\.\d+$/.test(name)));
    for (const name of sockets) if (await listens({ path: join(folder, name) })) return true;
    // One whose socket lies elsewhere.
    if (!given['socket'] && !given['port'] && (await runs(['postgres', 'postmaster']))) return true;
    return listens({ host: '127.0.0.1', port: Number(port) });
  },

  quiescer: (given, tell) => postgresQuiescer(accessOf(given), tell),
};
