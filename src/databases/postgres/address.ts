// A server of a plan or a restore, as what a login needs.
import type { ServerAddress } from '../../model/service.ts';
import type { Session as AnySession } from '../sessions.ts';
import { postgresFailure } from './failures.ts';
import { connectPostgres, type Session } from './session.ts';
import { type Access, accessOf } from './settings.ts';

/** Throws USAGE for what cannot be: no user, a strange port, a line to another host that nothing proves. */
export function accessTo({ socket, host, port, user, password, ca }: ServerAddress, database = 'postgres'): Access {
  return accessOf({
    ...(socket !== undefined && { socket }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port: String(port) }),
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(ca !== undefined && { ca }),
    database,
  });
}

/** ms. */
const login = 30_000;

export interface Asker extends AnySession {
  /** Throws the error of our table that fits, with `what` was tried. */
  ask(what: string, sql: string, values?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** A restore's session waits idle as long as a dump is loaded; which limits there are depends on the version. */
const noLimits = `SELECT set_config(name, '0', false) FROM pg_settings
  WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`;

/** A session in which a statement may take as long as it needs. Throws DATABASE_… errors. */
export async function openSession(access: Access, signal?: AbortSignal): Promise<Asker> {
  const session = await connectPostgres(access, login, signal);
  const ask = asking(session, access);
  try {
    await ask('set its limits', noLimits);
  } catch (error) {
    session.close();
    throw error;
  }
  return { ...session, ask };
}

function asking(session: Session, access: Access): Asker['ask'] {
  return async (what, sql, values = []) => {
    try {
      return await session.query(sql, values);
    } catch (error) {
      throw postgresFailure(error, access, what);
    }
  };
}
