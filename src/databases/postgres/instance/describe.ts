// How a new instance is found again, by people and by the command that stops it.
import { join } from 'node:path';
import type { Instance } from '../../../model/service.ts';
import { keepInstance } from '../../instance.ts';
import type { InstancePlace } from './place.ts';
import type { Running } from './server.ts';

/** Writes it down in the directory, too. Throws INSTANCE_FAILED where it has ended meanwhile. */
export function describe({ pid }: Running, place: InstancePlace, { superuser }: { readonly superuser: string }): Instance {
  const { directory, port, socket } = place;
  const instance: Instance = {
    engine: 'postgres',
    directory,
    port,
    socket: join(socket, `.s.PGSQL.${port}`),
    pid,
    connect: `psql -h ${word(socket)} -p ${port} -U ${word(superuser)} -d postgres`,
  };
  keepInstance(instance);
  return instance;
}

/** For a shell. */
const word = (text: string): string => (/^[\w/.+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
