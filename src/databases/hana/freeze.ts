// SAP HANA 2.0, one host, through SYSTEMDB.
import type { DatabaseFreezer, DatabaseSettings } from '../../ports/database.ts';
import { listens } from '../presence.ts';
import { runs } from './processes.ts';
import { type HanaQuiescer, hanaQuiescer } from './quiesce.ts';
import { accessOf, settings, systemPort } from './settings.ts';

export interface HanaFreezer extends DatabaseFreezer {
  quiescer(settings: DatabaseSettings, tell: (line: string) => void): HanaQuiescer;
}

export const hanaFreezer: HanaFreezer = {
  name: 'hana',
  settings,
  present: async (given) => {
    const port = given['port'] || systemPort(given['instance'] || settings.instance.fallback);
    const there = await listens({ host: given['host'] || settings.host.fallback, port: Number(port) });
    return there || runs(['hdbnameserver', 'hdbdaemon']);
  },
  quiescer: (given, tell) => hanaQuiescer(accessOf(given), tell),
};
