// How a Redis server is reached, checked.
import { isAbsolute } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { ServerAddress } from '../../model/service.ts';
import { isThisHost } from '../settings.ts';

export type Address = { readonly socket: string } | { readonly host: string; readonly port: number };

export interface RedisAccess {
  readonly address: Address;
  /** Empty: the user `default`. */
  readonly user: string;
  /** Empty: none is asked for. */
  readonly password: string;
  /** Empty where the line does not leave this host. */
  readonly ca: string;
}

/** This host's usual port where nothing is said. Throws USAGE. */
export function readAccess({ socket = '', host = '', port, user = '', password = '', ca = '' }: ServerAddress): RedisAccess {
  const wrong = (detail: string): never => fail('USAGE', { detail: `Redis: ${detail}` });
  if (ca !== '' && !isAbsolute(ca)) wrong('the file of certificates must be an absolute path');
  if (user !== '' && password === '') wrong(`the user ${user} has no password here`);
  if (socket !== '') {
    if (host !== '') wrong('give a socket or a host, not both');
    if (!isAbsolute(socket)) wrong(`the socket ${socket} is no absolute path`);
    if (ca !== '') wrong('certificates need a host');
    return { address: { socket }, user, password, ca };
  }
  const address = { host: host || '127.0.0.1', port: port ?? 6379 };
  if (!Number.isInteger(address.port) || address.port < 1 || address.port > 65_535) wrong(`${address.port} is no port`);
  if (ca === '' && !isThisHost(address.host)) {
    wrong(`the host ${host} is not this one: name a file of certificates (PEM) by which it must prove itself`);
  }
  return { address, user, password, ca };
}

export const addressText = (address: Address): string => ('socket' in address ? address.socket : `${address.host}:${address.port}`);

export const userText = ({ user }: RedisAccess): string => user || 'default';
