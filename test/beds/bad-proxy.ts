// An HTTP proxy in front of a real server that answers wrongly, late or never when a test says so; also puts TLS in front of it.
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface Seen {
  /** 1 for the first request. */
  readonly number: number;
  readonly method: string;
  readonly url: string;
  readonly host: string;
}

/**
 * What happens to one request:
 * - status: an answer of the proxy's own, with an S3 error code in XML.
 * - drop: the connection is cut before anything reaches the server.
 * - lose: the server does it, its answer is thrown away and the connection is cut.
 * - stall: nothing is ever answered.
 * - cut: the answer's head and this many bytes of its body, then the connection is cut.
 * - stick: the same, then silence.
 */
export type Mischief =
  | { readonly type: 'status'; readonly status: number; readonly code: string }
  | { readonly type: 'drop' | 'lose' | 'stall' }
  | { readonly type: 'cut' | 'stick'; readonly after: number };

export interface BadProxy {
  /** http(s)://127.0.0.1:PORT */
  readonly endpoint: string;
  readonly seen: readonly Seen[];
  /** Decides for each request from now on; undefined passes it on. */
  behave(plan: (seen: Seen) => Mischief | undefined): void;
  stop(): Promise<void>;
}

/** `target`: http://127.0.0.1:PORT of the real server. With `tls` the proxy speaks HTTPS. The Host header stays, for signatures cover it. */
export async function startBadProxy(target: string, tls?: { readonly key: string; readonly cert: string }): Promise<BadProxy> {
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  let plan: (seen: Seen) => Mischief | undefined = () => undefined;

  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse) => {
    const { method = '', url = '', headers } = request;
    const one = { number: seen.length + 1, method, url, host: headers.host ?? '' };
    seen.push(one);
    const mischief = plan(one);
    const after = mischief !== undefined && 'after' in mischief ? mischief.after : 0;
    if (mischief?.type === 'drop') return void request.socket.destroy();
    if (mischief?.type === 'stall') return void request.resume();
    if (mischief?.type === 'status') {
      request.resume().on('end', () => {
        response.writeHead(mischief.status, { 'content-type': 'application/xml' });
        response.end(`<?xml version="1.0"?><Error><Code>${mischief.code}</Code><Message>on purpose</Message></Error>`);
      });
      return;
    }
    const onward = http.request(target + url, { method, headers }, (answer) => {
      if (mischief?.type === 'lose') {
        answer.resume().on('end', () => request.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (mischief === undefined) return void answer.pipe(response);
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        response.write(Buffer.concat(chunks).subarray(0, after), () => {
          if (mischief.type === 'cut') request.socket.destroy();
        });
      });
    });
    onward.on('error', () => request.socket.destroy());
    request.pipe(onward);
  };

  const server = tls === undefined ? http.createServer(onRequest) : https.createServer(tls, onRequest);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    endpoint: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    seen,
    behave(next) {
      plan = next;
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A plan that does these in turn to the requests of one method, then nothing more. */
export function inTurn(method: string, ...mischief: readonly Mischief[]): (seen: Seen) => Mischief | undefined {
  const left = [...mischief];
  return (seen) => (seen.method === method ? left.shift() : undefined);
}
