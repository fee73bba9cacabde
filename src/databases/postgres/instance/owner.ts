// Whom the files and the processes of a new instance belong to: the server does not run as root.
import { fail } from '../../../base/errors.ts';
import { outputOf } from '../../../base/program.ts';
import { findUser } from '../../../base/users.ts';

export interface Owner {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** We ourselves; for root the user postgres. Throws INSTANCE_USER where there is none. */
export function ownerHere(): Owner {
  const [uid, gid] = [process.getuid!(), process.getgid!()];
  if (uid !== 0) return { name: `uid ${uid}`, uid, gid };
  const user = findUser('postgres');
  return user ?? fail('INSTANCE_USER', { detail: 'it does not run as root, and there is no user postgres' });
}

/** Runs a program of the server's as that user. Throws TOOL_MISSING, TOOL_FAILED. */
export function asOwner(owner: Owner, argv: readonly string[], { major }: { readonly major: number }): Promise<string> {
  return outputOf(argv, { package: `postgresql-${major}`, ...ids(owner) });
}

/** For those who are root only. */
export const ids = ({ uid, gid }: Owner): { uid?: number; gid?: number } => (process.getuid!() === 0 ? { uid, gid } : {});
