// SAP HANA 2.0, one host, through SYSTEMDB.
import type { DatabaseFreezer } from '../../ports/database.ts';
import { listens, runs } from '../presence.ts';
import { hanaQuiescer } from './quiesce.ts';
import { accessOf, settings, systemPort } from './settings.ts';

export const hanaFreezer: DatabaseFreezer = {
  name: 'hana',
  settings,
  present: async (given) => {
    const port = given['port'] || systemPort(given['instance'] || settings.instance.fallback);
    const there = await listens({ host: given['host'] || settings.host.fallback, port: Number(port) });
    return there || runs(['hdbnameserver', 'hdbdaemon']);
  },
  quiescer: (given, tell) => hanaQuiescer(accessOf(given), tell),
};
