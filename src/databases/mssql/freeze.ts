// SQL Server 2022 and later.
import type { DatabaseFreezer } from '../../ports/database.ts';
import { listens, runs } from '../presence.ts';
import { mssqlQuiescer } from './quiesce.ts';
import { accessOf, settings } from './settings.ts';

export const mssqlFreezer: DatabaseFreezer = {
  name: 'mssql',
  settings,
  present: async (given) =>
    (await listens({ host: given['host'] || settings.host.fallback, port: Number(given['port'] || settings.port.fallback) })) ||
    runs(['sqlservr']),
  quiescer: (given, tell, id) => mssqlQuiescer(accessOf(given), tell, id === undefined ? {} : { id }),
};
