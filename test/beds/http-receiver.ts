// A real HTTP or HTTPS server that keeps what it is sent and answers as the test says.
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { createServer as createSafeServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpReceiver {
  readonly url: string;
  readonly heard: readonly Heard[];
  /** Resolves when so many requests were heard. */
  count(count: number): Promise<void>;
  close(): Promise<void>;
}

export type Answer = (heard: Heard, response: ServerResponse, index: number) => void;
const fine: Answer = (_heard, response) => void response.writeHead(204).end();

export async function httpReceiver(
  answer: Answer = fine,
  tls?: { readonly key: string; readonly cert: string },
  port = 0,
): Promise<HttpReceiver> {
  const heard: Heard[] = [];
  const waiting: { readonly count: number; readonly wake: () => void }[] = [];
  const server: Server = (tls ? createSafeServer(tls) : createServer()) as Server;
  server.on('request', async (request, response) => {
    let body = '';
    for await (const piece of request.setEncoding('utf8')) body += piece as string;
    const one = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
    heard.push(one);
    answer(one, response, heard.length - 1);
    for (const { count, wake } of waiting) if (heard.length >= count) wake();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    count: (count) => (heard.length >= count ? Promise.resolve() : new Promise((wake) => waiting.push({ count, wake }))),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
