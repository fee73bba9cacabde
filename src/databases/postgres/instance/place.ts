// Where a new instance lies.
import { chmodSync, chownSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failure } from '../../../base/errors.ts';
import { outputOf } from '../../../base/program.ts';
import type { InstanceTarget } from '../../../model/service.ts';
import { ids, type Owner } from './owner.ts';

export interface InstancePlace {
  readonly directory: string;
  readonly port: number;
  readonly data: string;
  readonly tablespaces: string;
  /** Segments that the recovery takes from here. */
  readonly wal: string;
  /** Directory of the socket, which nobody else may enter: who can is let in as anybody. */
  readonly socket: string;
  readonly log: string;
  readonly owner: Owner;
}

/** Bytes: the path of a socket has at most 107 (unix(7)), and `/.s.PGSQL.65535` belongs to it. */
const longestFolder = 92;

/** Throws INSTANCE_FAILED where the owner cannot reach the directory. */
export async function prepareDirectory(
  { directory, port }: InstanceTarget,
  { owner, major }: { readonly owner: Owner; readonly major: number },
): Promise<InstancePlace> {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  give(directory, owner);
  try {
    await outputOf(['test', '-x', directory], { package: 'coreutils', ...ids(owner) });
  } catch (cause) {
    throw failure(
      'INSTANCE_FAILED',
      { directory, detail: `${owner.name} may not enter it; the directories above it must let him`, log: 'log/rdtask.log' },
      { cause },
    );
  }
  const inside = join(directory, 'socket');
  // A comma would part two directories in the server's settings.
  const plain = /^[\w/.+-]+$/.test(inside) && Buffer.byteLength(inside) <= longestFolder;
  const socket = plain ? inside : mkdtempSync(join(tmpdir(), `stillpoint-pg${major}-`));
  const place = {
    directory,
    port,
    socket,
    owner,
    data: join(directory, 'data'),
    tablespaces: join(directory, 'tablespaces'),
    wal: join(directory, 'wal'),
    log: join(directory, 'log'),
  };
  if (plain) mkdirSync(socket);
  give(socket, owner);
  return place;
}

/** For nobody but the owner: it is a copy of everything. */
export function give(path: string, { uid, gid }: Owner): void {
  chmodSync(path, 0o700);
  if (process.getuid!() === 0) chownSync(path, uid, gid);
}
