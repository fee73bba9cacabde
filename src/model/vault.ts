// What may be kept in a vault (guide 2.2, 3.5).
import type { ConsistencyChoice } from './consistency.ts';
import type { SourceSettings } from './plan.ts';

export interface VaultNature {
  /** `any` where nothing was chosen. */
  readonly type: 'any' | 'server' | 'disk' | 'file';
  readonly protection: 'backup' | 'replication';
  /** Whether applications may be frozen for its backups; changes from server to application-consistent only. */
  readonly spec: 'server' | 'application-consistent';
}

/** Databases and commands belong to a server; a bucket is a file system as others are. */
const kindsOf: Readonly<Record<Exclude<VaultNature['type'], 'any'>, readonly SourceSettings['kind'][]>> = {
  server: ['server', 'mysql', 'postgres', 'redis', 'command'],
  disk: ['disk'],
  file: ['files', 'bucket'],
};

export const takes = ({ type, protection }: Pick<VaultNature, 'type' | 'protection'>, kind: SourceSettings['kind']): boolean =>
  protection === 'backup' && (type === 'any' || kindsOf[type].includes(kind));

/** Whether applications are frozen for its backups. */
export const freezesFor = (source: SourceSettings, { freeze }: Pick<ConsistencyChoice, 'freeze'>): boolean =>
  freeze || (source.kind === 'mysql' && source.method === 'snapshot');
