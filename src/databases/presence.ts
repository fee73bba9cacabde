// Is there a server on this host? Asked without logging in.
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
