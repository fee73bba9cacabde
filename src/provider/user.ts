// Who rdagent is, and how a process is given some of root's rights and no more.
import { fail } from '../base/errors.ts';
import { findUser, type User } from '../base/users.ts';
import type { Rights } from '../model/provider.ts';

/** Throws CONFIG_INVALID where there is none of that name. */
export function userNamed(name: string): User {
  return findUser(name) ?? fail('CONFIG_INVALID', { file: 'AGENT_USER', detail: `there is no user ${name}` });
}

/**
 * The command that runs another with these rights; none where it keeps those of its starter. `read` gets the one capability that reads
 * whatever there is (capabilities(7)), and no way to more.
 */
export function prefixFor(rights: Rights, { uid, gid }: User): readonly string[] {
  if (rights === 'root') return [];
  const own = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups'];
  const reading = '-all,+dac_read_search';
  const more = [`--inh-caps=${reading}`, `--ambient-caps=${reading}`, `--bounding-set=${reading}`, '--no-new-privs'];
  return [...own, ...(rights === 'read' ? more : []), '--'];
}
