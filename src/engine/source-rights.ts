// What reading a source, and writing to a target, needs of the host.
import type { SourceSettings } from '../model/plan.ts';
import type { Rights } from '../model/provider.ts';
import type { RestoreTarget } from '../model/task.ts';

type Reading = Exclude<SourceSettings, { kind: 'command' }>;

/** Servers and buckets are reached as anybody reaches them; only copies of MySQL's own files read them. */
const rights: { readonly [K in Reading['kind']]: (source: Extract<Reading, { kind: K }>) => Rights } = {
  files: () => 'read',
  disk: () => 'read',
  server: () => 'read',
  mysql: ({ method }) => (method === 'physical' || method === 'snapshot' ? 'read' : 'own'),
  postgres: () => 'own',
  redis: () => 'own',
  bucket: () => 'own',
};

/** Undefined for a kind that nobody knows. */
export function rightsToRead(source: Reading): Rights | undefined {
  return Object.hasOwn(rights, source.kind) ? (rights[source.kind] as (source: Reading) => Rights)(source) : undefined;
}

const doors: readonly RestoreTarget['kind'][] = ['mysql', 'postgres', 'redis', 'bucket', 'instance'];

/** What goes to a server or a bucket; a new server writes where the agent may. */
export const throughTheDoor = ({ kind }: RestoreTarget): boolean => doors.includes(kind);
