// What this process sends and receives over the network, counted at its own connections. What its children send is not in it.
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** Bytes since counting began. */
export interface Traffic {
  readonly received: number;
  readonly sent: number;
}

/** Counts from now on, in this thread; loopback counts, sockets of the file system do not. With TLS it is what was said, not its cover. */
export function countTraffic(): () => Traffic {
  const open = new Set<Socket>();
  let past: Traffic = { received: 0, sent: 0 };
  const onSocket = (message: unknown) => {
    const { socket } = message as { readonly socket: Socket };
    socket.once('connect', () => {
      if (socket.remoteAddress !== undefined) open.add(socket);
    });
    socket.once('close', () => {
      if (open.delete(socket)) past = withSocket(past, socket);
    });
  };
  subscribe('net.client.socket', onSocket);
  return () => [...open].reduce(withSocket, past);
}

const withSocket = ({ received, sent }: Traffic, socket: Socket): Traffic => ({
  received: received + socket.bytesRead,
  sent: sent + socket.bytesWritten,
});
