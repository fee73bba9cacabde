// What must be known of a SAP HANA system before a data snapshot is created.
import { dirname } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { DatabasePlace } from '../../ports/database.ts';
import type { FreezeFacts } from '../../ports/quiescer.ts';
import { filesFacts } from '../places.ts';
import { detailOf, type Session } from '../sessions.ts';
import { database } from './failures.ts';
import type { Access } from './settings.ts';
import { about, hosts, places, replication, running, volumes } from './statements.ts';

/** Throws FREEZE_REFUSED, DATABASE_CLUSTER and DATABASE_BUSY where nothing must be begun. */
export async function lookAtSystem(name: string, session: Session, access: Access): Promise<FreezeFacts> {
  const [system] = await session.query(about);
  const sid = String(system?.['SID']);
  if (system?.['NAME'] !== 'SYSTEMDB') {
    fail('FREEZE_REFUSED', {
      name,
      detail: `${access.address} is the database ${system?.['NAME']}; snapshots are made through SYSTEMDB only`,
    });
  }
  if (access.sid !== '' && access.sid !== sid) {
    fail('FREEZE_REFUSED', { name, detail: `the system at ${access.address} is ${sid}, not ${access.sid}` });
  }
  const [landscape] = await session.query(hosts);
  const count = Number(landscape?.['HOSTS']);
  if (count > 1) fail('DATABASE_CLUSTER', { database, detail: `a scale-out system of ${count} hosts` });
  const modes = (await session.query(replication)).map((row) => String(row['VALUE']));
  const mode = modes.find((value) => value !== '' && value !== 'none');
  if (mode !== undefined && mode !== 'primary') {
    fail('DATABASE_CLUSTER', { database, detail: `a secondary of system replication, mode ${mode}` });
  }
  const [backup] = await session.query(running);
  if (backup) fail('DATABASE_BUSY', { database, detail: `a ${backup['TYPE']} is running` });
  const where = new Map((await session.query(places)).map((row) => [row['KEY'], String(row['VALUE'])]));
  const [data, log] = [where.get('basepath_datavolumes'), where.get('basepath_logvolumes')];
  return {
    sid,
    version: String(system['VERSION']),
    role: mode === 'primary' ? 'primary of system replication' : 'single',
    ...(data === undefined ? {} : { dataDirectory: data }),
    ...(log === undefined ? {} : { logDirectory: log }),
    ...(await filesFacts(name, access.host, await dataFiles(session, data))),
  };
}

/** The data volumes of SYSTEMDB and the tenants. The log area is not among them: it must not be restored from a snapshot. */
async function dataFiles(session: Session, configured: string | undefined): Promise<readonly DatabasePlace[]> {
  const holds = 'its data volumes';
  try {
    const paths = (await session.query(volumes)).map((row) => dirname(String(row['PATH'])));
    if (paths.length > 0) return paths.map((path) => ({ holds, path }));
    return [configured === undefined ? { holds, unseen: 'it shows none' } : { holds, path: configured }];
  } catch (error) {
    return [{ holds, unseen: detailOf(error) }];
  }
}
