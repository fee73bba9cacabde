// The same through rdprovider: its process gets connections of ours as its descriptors, so nothing that is said passes through root's hands.
import { connect, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { asStillpointError, errnoOf, failure } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import { withSocketPath } from '../base/socket-path.ts';
import {
  type Channel,
  channelsOf,
  type ProviderAnswer,
  type ProviderOrder,
  type ProviderSignal,
  providerSocket,
  type StartOrder,
} from '../model/provider.ts';
import type { Started } from './start.ts';

/** How long rdprovider is waited for, and how often it is looked for meanwhile (ms). */
const patienceMs = 30_000;
const everyMs = 200;

/** `run`: AGENT_RUN. What goes wrong on the way is how the process ended. */
export function startThrough(run: string, order: StartOrder): Started {
  const streams: Readonly<Record<Channel, PassThrough>> = {
    orders: new PassThrough(),
    events: new PassThrough(),
    output: new PassThrough(),
    text: new PassThrough(),
  };
  const joined = new Set<Channel>();
  const began = Promise.withResolvers<void>();
  let pid = 0;
  let control: Socket | undefined;

  async function talk(): Promise<string> {
    control = await patiently(() => open(run, order));
    for await (const line of linesOf(control)) {
      const answer = JSON.parse(line) as ProviderAnswer;
      if ('ticket' in answer) await join(answer.ticket);
      else if ('event' in answer && answer.event === 'ended') return answer.detail;
      else if ('event' in answer) {
        pid = answer.pid;
        began.resolve();
      } else if (!answer.ok) return `rdprovider refused it: ${answer.detail}`;
    }
    return 'rdprovider has ended';
  }

  async function join(ticket: string): Promise<void> {
    for (const channel of channelsOf(order)) {
      const socket = await open(run, { channel, ticket });
      joined.add(channel);
      const carried = channel === 'orders' ? pipeline(onceBegun(streams.orders), socket) : pipeline(socket, streams[channel]);
      // What breaks because the process is gone is told by its end.
      carried.catch(() => streams[channel].end());
    }
  }

  /** What is written earlier would be read by rdprovider. */
  async function* onceBegun(stream: PassThrough): AsyncGenerator<Buffer> {
    await began.promise;
    yield* stream as AsyncIterable<Buffer>;
  }

  streams.orders.on('error', () => undefined);
  const ended = talk()
    .catch((error: unknown) => failure('PROVIDER_UNREACHABLE', { detail: asStillpointError(error).message }).message)
    .finally(() => {
      began.resolve();
      for (const channel of ['events', 'output', 'text'] as const) if (!joined.has(channel)) streams[channel].end();
    });
  return {
    get pid() {
      return pid;
    },
    orders: streams.orders,
    events: streams.events,
    output: order.output ? streams.output : undefined,
    text: streams.text,
    ended,
    kill: (signal, whom) => void control?.write(`${JSON.stringify({ signal, whom } satisfies ProviderSignal)}\n`),
  };
}

/** rdprovider may just be started again. */
async function patiently(attempt: () => Promise<Socket>): Promise<Socket> {
  for (const end = performance.now() + patienceMs; ; await pause(everyMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (!['ENOENT', 'ECONNREFUSED'].includes(errnoOf(error) ?? '') || performance.now() > end) throw error;
    }
  }
}

/** Connects and says the first line. Throws system errors. */
function open(run: string, first: ProviderOrder): Promise<Socket> {
  return withSocketPath(run, providerSocket, (path) => {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      // Later trouble is the end of the connection, which is looked for anyway.
      socket.off('error', reject).on('error', () => undefined);
      socket.write(`${JSON.stringify(first)}\n`);
      resolve(socket);
    });
    return promise;
  });
}
