// The only process of root that rdagent can talk to. It reads a few short lines, and starts rdtask and rdfreeze with the rights they need;
// what they are told goes past it. No network, no npm packages.
import { chmodSync, chownSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { failure } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import { withSocketPath } from '../base/socket-path.ts';
import type { User } from '../base/users.ts';
import type { Layout } from '../config/layout.ts';
import { type Program, programOf, spawnProgram } from '../host/programs.ts';
import { type ProviderAnswer, type ProviderSignal, providerSocket, type Rights } from '../model/provider.ts';
import { firstLine, orderIn, signalIn } from './connection.ts';
import { makeFolders } from './folders.ts';
import { createJobs } from './jobs.ts';
import { prefixFor } from './user.ts';

export interface ProviderOptions {
  readonly layout: Layout;
  readonly version: string;
  /** Who rdagent runs as; undefined: as this process does, and so does everything. */
  readonly user: User | undefined;
}

export interface Provider {
  /** What runs is left running: it ends with whoever ordered it. */
  close(): void;
}

const most = 64;
const patience = { channels: 10_000, orphan: 15_000 };

/** Throws AGENT_RUNNING where one answers already, and system errors of the folder. */
export async function startProvider({ layout, version, user }: ProviderOptions): Promise<Provider> {
  makeFolders(layout, user);
  const jobs = createJobs({
    start: (order, descriptors) => {
      const program = programOf(order.verb, layout);
      if (!user) return spawnProgram(program, [...descriptors], order.niceness);
      const rights = order.verb === 'task' ? order.rights : 'root';
      return spawnProgram(withRights(program, rights), [...descriptors], order.niceness, prefixFor(rights, user));
    },
    most,
    patience,
  });

  async function welcome(socket: Socket): Promise<void> {
    socket.on('error', () => undefined);
    const line = await firstLine(socket);
    const order = line === undefined ? undefined : orderIn(line);
    const say = (answer: ProviderAnswer) => void socket.end(`${JSON.stringify(answer)}\n`);
    if (!order) say({ ok: false, detail: 'that is no order' });
    else if ('channel' in order) jobs.join(order.ticket, order.channel, socket) || socket.destroy();
    else if (order.verb === 'hello') say({ ok: true, version });
    else jobs.serve(order, socket, (hear) => void listen(socket, hear));
  }

  const path = join(layout.run, providerSocket);
  await refuseSecond(layout);
  rmSync(path, { force: true });
  const server = createServer({ pauseOnConnect: false }, (socket) => void welcome(socket));
  await withSocketPath(layout.run, providerSocket, (at) => listenAt(server, at));
  if (user) chownSync(path, process.getuid?.() ?? 0, user.gid);
  chmodSync(path, user ? 0o660 : 0o600);
  return {
    close() {
      server.close();
      rmSync(path, { force: true });
    },
  };
}

/** More rights than rdagent's own never read what rdagent may have written: no compiled code, no temporary files. */
function withRights(program: Program, rights: Rights): Program {
  if (rights === 'own') return program;
  const { NODE_COMPILE_CACHE: _, TMPDIR: __, ...env } = program.env;
  return { ...program, cwd: '/', env };
}

function refuseSecond({ run, home }: Layout): Promise<void> {
  return withSocketPath(run, providerSocket, (path) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connect(path);
    socket.once('error', () => resolve());
    socket.once('connect', () => {
      socket.destroy();
      reject(failure('AGENT_RUNNING', { home }));
    });
    return promise;
  });
}

/** The socket is made within the call, and nobody may connect before it has its group. */
function listenAt(server: ReturnType<typeof createServer>, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  const before = process.umask(0o177);
  try {
    server.listen(path, resolve);
  } finally {
    process.umask(before);
  }
  return promise;
}

/** What is no signal ends the talk. */
async function listen(socket: Socket, hear: (signal: ProviderSignal) => void): Promise<void> {
  try {
    for await (const line of linesOf(socket)) {
      const signal = signalIn(line);
      if (!signal) break;
      hear(signal);
    }
  } catch {
    // The other side is gone.
  }
  socket.destroy();
}
