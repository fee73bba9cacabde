// The users of this host, as passwd(5) has them: those that services run as are kept there, whatever else the host asks.
import { readFileSync } from 'node:fs';

export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export type FindUser = (name: string) => User | undefined;

/** Undefined for one that does not exist, or that is written in another case. */
export function findUser(name: string, passwd = readFileSync('/etc/passwd', 'utf8')): User | undefined {
  for (const line of passwd.split('\n')) {
    const [own, , uid = '', gid = ''] = line.split(':');
    if (own === name && /^\d+$/.test(uid) && /^\d+$/.test(gid)) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/** Their directory, `/` where passwd(5) names none. */
export function homeOf(user: User, passwd = readFileSync('/etc/passwd', 'utf8')): string {
  const line = passwd.split('\n').find((one) => one.startsWith(`${user.name}:`));
  return line?.split(':')[5] || '/';
}
