// Is there a server on this host? Asked without logging in.
import { readdir, readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';

const patience = 1000;

/** Whether something listens at a path (a Unix socket) or at a host and port. What may not be asked is there, too. */
export function listens(at: { readonly path: string } | { readonly host: string; readonly port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(at);
    const answer = (there: boolean) => {
      socket.destroy();
      resolve(there);
    };
    socket.setTimeout(patience, () => answer(true));
    socket.once('connect', () => answer(true));
    socket.once('error', (error: NodeJS.ErrnoException) => answer(error.code === 'EACCES' || error.code === 'EPERM'));
  });
}

/** Whether a process of one of these names runs on this host: for servers that listen where nobody has told. Those of containers do not count. */
export async function runs(names: readonly string[]): Promise<boolean> {
  const ids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const id of ids) {
    const name = await readFile(`/proc/${id}/comm`, 'utf8').catch(() => '');
    if (names.includes(name.trimEnd()) && (await isOfHost(id))) return true;
  }
  return false;
}

/**
 * A container has process ids or a root of its own. A mount namespace alone tells nothing: systemd gives one to services of this host
 * (ProtectHome). Who may not look at another's root takes it for ours: better told of than passed over.
 */
async function isOfHost(id: string): Promise<boolean> {
  const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '');
  const ids = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/) ?? [];
  if (ids.length > 1) return false;
  const [own, its] = await Promise.all([stat('/'), stat(`/proc/${id}/root/`).catch(() => undefined)]);
  return its === undefined ? status !== '' : its.dev === own.dev && its.ino === own.ino;
}
