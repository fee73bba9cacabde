// Real requests, as others make them: a process that lives and does not answer is no use to anybody.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:net';
import { linesOf } from '../base/lines.ts';
import { withSocketPath } from '../base/socket-path.ts';
import { certificateFiles } from '../config/certificate-files.ts';
import type { RunFile } from '../config/connection.ts';
import type { Layout } from '../config/layout.ts';
import { type ProviderAnswer, type ProviderOrder, providerSocket } from '../model/provider.ts';
import { readSmall } from './read-small.ts';

const longestAnswer = 64 * 1024;

/** GET /v1/status, over mutual TLS, with agentcli's certificate. Rejects if anybody but process `pid` answers, or nobody. */
export async function askAgent(layout: Layout, pid: number, signal: AbortSignal): Promise<void> {
  const { port } = JSON.parse(await readSmall(layout.runFile)) as Partial<RunFile>;
  if (!Number.isInteger(port) || port === 0) throw new Error('it does not listen yet');
  const files = certificateFiles(layout.certificates);
  const [ca, cert, key] = await Promise.all([files.ca.cert, files.client.cert, files.client.key].map(readSmall));
  // Always this host: what the file says besides, rdagent's user can write. A connection of its own: one that is kept says less.
  const target = { host: '127.0.0.1', port: port as number, path: '/v1/status', servername: 'localhost', agent: false as const };
  const asking = request({ ...target, ca, cert, key, minVersion: 'TLSv1.2', signal });
  // What goes wrong later shows in the answer.
  asking.on('error', () => undefined).end();
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  try {
    let text = '';
    for await (const part of answer.setEncoding('utf8')) {
      text += part;
      if (text.length > longestAnswer) throw new Error('its answer has no end');
    }
    if (answer.statusCode !== 200) throw new Error(`it answers ${answer.statusCode}`);
    const status = JSON.parse(text) as { readonly pid?: unknown };
    if (status.pid !== pid) throw new Error(`process ${status.pid} answers in its place`);
  } finally {
    answer.destroy();
  }
}

/** `hello` on its socket. Rejects if nobody answers that it is well. */
export async function askProvider({ run }: Layout, signal: AbortSignal): Promise<void> {
  const socket = await withSocketPath(run, providerSocket, async (path) => {
    const connecting = connect({ path, signal });
    connecting.on('error', () => undefined);
    await once(connecting, 'connect');
    return connecting;
  });
  try {
    socket.write(`${JSON.stringify({ verb: 'hello' } satisfies ProviderOrder)}\n`);
    for await (const line of linesOf(bounded(socket))) {
      const answer = JSON.parse(line) as ProviderAnswer;
      if ('ok' in answer && answer.ok) return;
      throw new Error(`it answers ${line}`);
    }
    throw new Error('it closes the connection');
  } finally {
    socket.destroy();
  }
}

async function* bounded(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const part of stream) {
    size += part.length;
    if (size > longestAnswer) throw new Error('its answer has no end');
    yield part;
  }
}
