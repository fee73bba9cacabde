// Whose binary log it is: positions and transactions mean something at that server only.
import { pairs, type Server } from './server.ts';
import type { Ask } from './session.ts';

/** server_uuid of MySQL, server_uid of MariaDB 10.10 and later; before that its number and its name. */
export async function serverIdentity(ask: Ask, server: Server): Promise<string> {
  const variables = pairs(await ask(`SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'server_uid', 'server_id', 'hostname')`));
  const own = variables.get(server.kind === 'MySQL' ? 'server_uuid' : 'server_uid');
  return own ?? `${variables.get('server_id')}@${variables.get('hostname')}`;
}
