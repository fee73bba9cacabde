// What was ordered and is not over: first a ticket that its channels come with, then a process that has them as descriptors.

import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { exitOf, signalTo } from '../host/programs.ts';
import { type Channel, channelsOf, type ProviderAnswer, type ProviderSignal, type StartOrder } from '../model/provider.ts';

/** Descriptors 0 to 4 of the process. */
export type Descriptors = readonly ('ignore' | Socket)[];

export interface JobSettings {
  readonly start: (order: StartOrder, descriptors: Descriptors) => ChildProcess;
  /** How many there may be at a time. */
  readonly most: number;
  /** ms from the ticket until all channels are there, and from the end of whoever ordered a task to its kill. */
  readonly patience: { readonly channels: number; readonly orphan: number };
}

interface Job {
  readonly order: StartOrder;
  readonly sockets: Map<Channel, Socket>;
  readonly begin: () => void;
}

export interface Jobs {
  /** Serves a connection that ordered a process. `lines`: what else it says. */
  serve(order: StartOrder, control: Socket, lines: (hear: (signal: ProviderSignal) => void) => void): void;
  /** False where nothing waits for it. */
  join(ticket: string, channel: Channel, socket: Socket): boolean;
}

export function createJobs({ start, most, patience }: JobSettings): Jobs {
  const waiting = new Map<string, Job>();
  let count = 0;

  function serve(order: StartOrder, control: Socket, lines: (hear: (signal: ProviderSignal) => void) => void): void {
    const say = (answer: ProviderAnswer) => void control.write(`${JSON.stringify(answer)}\n`);
    if (count >= most) {
      say({ ok: false, detail: `${most} processes are running already` });
      control.end();
      return;
    }
    count++;
    const ticket = randomBytes(16).toString('hex');
    const late = setTimeout(() => giveUp('its channels did not come'), patience.channels);
    const unheard = () => giveUp('whoever ordered it has gone');
    control.once('close', unheard);
    waiting.set(ticket, { order, sockets: new Map(), begin });
    say({ ok: true, ticket });

    function leave(): Job | undefined {
      clearTimeout(late);
      control.off('close', unheard);
      const job = waiting.get(ticket);
      waiting.delete(ticket);
      return job;
    }
    function giveUp(detail: string): void {
      for (const socket of leave()?.sockets.values() ?? []) socket.destroy();
      count--;
      say({ event: 'ended', detail });
      control.end();
    }
    function begin(): void {
      const sockets = leave()?.sockets ?? new Map<Channel, Socket>();
      const at = (channel: Channel) => sockets.get(channel) ?? 'ignore';
      const child = start(order, ['ignore', at('output'), at('text'), at('orders'), at('events')]);
      // The process has copies; with ours open it would never see the other side's end.
      for (const socket of sockets.values()) socket.destroy();
      const pid = child.pid ?? 0;
      if (pid) say({ event: 'started', pid });
      lines(({ signal, whom }) => signalTo(pid, signal, whom));
      const over = exitOf(child).then((detail) => {
        count--;
        say({ event: 'ended', detail });
      });
      if (order.verb === 'task') control.once('close', () => outlived(pid, over));
    }
  }

  /** Whoever ordered the task is gone or wants no more of it: it ends by itself, and what it leaves is ended. Others end themselves. */
  async function outlived(pid: number, over: Promise<void>): Promise<void> {
    const timer = setTimeout(() => signalTo(pid, 'SIGKILL', 'group'), patience.orphan);
    await over;
    clearTimeout(timer);
    signalTo(pid, 'SIGKILL', 'group');
  }

  return {
    serve,
    join(ticket, channel, socket) {
      const job = waiting.get(ticket);
      if (!job || job.sockets.has(channel) || !channelsOf(job.order).includes(channel)) return false;
      job.sockets.set(channel, socket);
      if (job.sockets.size === channelsOf(job.order).length) job.begin();
      return true;
    },
  };
}
