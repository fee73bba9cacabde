// The settings of a new instance: its own, whatever the old server's were. Those lie about beside them, for people.
import { chownSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstancePlace } from './place.ts';

/** Replaces what is there. */
export async function writeConfiguration(
  place: InstancePlace,
  plan: { readonly kind: 'files' | 'dump' },
  more: Readonly<Record<string, string>>,
): Promise<void> {
  const { directory, data, port, socket } = place;
  const recovers = more['restore_command'] !== undefined;
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: socket,
    unix_socket_permissions: '0700',
    hba_file: join(directory, 'pg_hba.conf'),
    ident_file: join(directory, 'pg_ident.conf'),
    // The copy must not write into the archive of the original, nor take over its subscriptions.
    archive_mode: 'off',
    max_logical_replication_workers: '0',
    // Nobody is to see a state before the one that was asked for.
    hot_standby: 'off',
    log_line_prefix: '%m [%p] ',
    ...more,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'\n`);
  put(
    place,
    join(directory, 'postgresql.conf'),
    `# Made by Stillpoint. Settings of the server that was backed up are in data/, where nothing reads them.\n${lines.join('')}`,
  );
  // Whoever can enter the directory of the socket is the owner or root; everybody else has the passwords of the backup.
  put(place, join(directory, 'pg_hba.conf'), 'local all,replication all trust\nhost all,replication all 127.0.0.1/32 md5\n');
  put(place, join(directory, 'pg_ident.conf'), '');
  const auto = join(data, 'postgresql.auto.conf');
  if (plan.kind === 'files' && existsSync(auto) && !existsSync(`${auto}.backup`)) {
    renameSync(auto, `${auto}.backup`);
    put(place, auto, '');
  }
  rmSync(join(data, 'standby.signal'), { force: true });
  if (recovers) put(place, join(data, 'recovery.signal'), '');
  else rmSync(join(data, 'recovery.signal'), { force: true });
}

export function put({ owner: { uid, gid } }: InstancePlace, path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
  if (process.getuid!() === 0) chownSync(path, uid, gid);
}
