// The newest entry of the audit trail, noted apart from the database: without it nobody would see that the newest ones were removed.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import type { Layout } from '../config/layout.ts';
import { writePrivateFile } from '../config/private-file.ts';
import type { Chain, Link } from './audit-chain.ts';

export const headFileOf = (layout: Layout): string => join(dirname(layout.database), 'audit.head');

/** `missing`, or `wrong` if it is not what this installation wrote. */
export function readHead(file: string, chain: Chain): Link | 'missing' | 'wrong' {
  try {
    return chain.verified<Link>('head', JSON.parse(readFileSync(file, 'utf8'))) ?? 'wrong';
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? 'missing' : 'wrong';
  }
}

export function writeHead(file: string, chain: Chain, { seq, hash }: Link): void {
  writePrivateFile(file, `${JSON.stringify(chain.sign('head', { seq, hash }))}\n`);
}
