// What a server made from another one's files must have set as that one had, or it cannot read them, or reads them differently.
import { serverIdentity } from './identity.ts';
import { pairs, type Server } from './server.ts';
import type { Ask } from './session.ts';

/** Kept in backups: `settings`: the server's variables. */
export interface ServerFacts {
  readonly kind: Server['kind'];
  readonly version: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** Those that are there; each belongs to some versions only. */
const kept = [
  'character_set_server',
  'collation_server',
  'default_storage_engine',
  'explicit_defaults_for_timestamp',
  'innodb_checksum_algorithm',
  'innodb_data_file_path',
  'innodb_page_size',
  'innodb_undo_tablespaces',
  'lower_case_table_names',
  'max_allowed_packet',
  'sql_mode',
  'time_zone',
];

export async function serverFacts(ask: Ask, server: Server): Promise<ServerFacts> {
  const names = kept.map((name) => `'${name}'`).join(', ');
  const variables = pairs(await ask(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`));
  const settings = Object.fromEntries(kept.flatMap((name) => (variables.has(name) ? [[name, variables.get(name)!]] : [])));
  return { kind: server.kind, version: server.version, settings };
}

export async function identityAndFolder(ask: Ask, server: Server): Promise<{ readonly identity: string; readonly folder: string }> {
  const folder = pairs(await ask(`SHOW GLOBAL VARIABLES LIKE 'datadir'`)).get('datadir') ?? '';
  return { identity: await serverIdentity(ask, server), folder };
}
