// The first line of a connection, read by root: short, in time, and of a shape that is known, or it is not read on.
import type { Socket } from 'node:net';
import { allRights, allVerbs, type ProviderOrder, type ProviderSignal } from '../model/provider.ts';

/** Bytes, and ms until the line is there. */
const longestLine = 1024;
const patienceMs = 10_000;

/** Undefined for what is no order. Leaves the socket paused, with nothing read beyond the line. */
export function firstLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const done = (line: string | undefined) => {
      clearTimeout(late);
      socket.off('data', take).off('close', ended);
      socket.pause();
      resolve(line);
    };
    const take = (part: Buffer) => {
      text += part.toString('latin1');
      const end = text.indexOf('\n');
      // Nobody says more before the answer.
      if (end >= 0) done(end === text.length - 1 ? text.slice(0, end) : undefined);
      else if (text.length > longestLine) done(undefined);
    };
    const ended = () => done(undefined);
    const late = setTimeout(ended, patienceMs);
    socket.on('data', take).once('close', ended);
  });
}

/** Undefined where it is none. */
export function orderIn(line: string): ProviderOrder | undefined {
  const said = objectIn(line);
  if (!said) return undefined;
  const { verb, channel, ticket, rights, niceness, output } = said;
  if (verb === 'hello') return { verb };
  if (channel !== undefined)
    return isOneOf(channel, ['orders', 'events', 'output', 'text']) && typeof ticket === 'string' ? { channel, ticket } : undefined;
  const isStart = isOneOf(verb, allVerbs) && isOneOf(rights, allRights) && typeof output === 'boolean';
  if (!isStart || !Number.isInteger(niceness) || (niceness as number) < 0 || (niceness as number) > 19) return undefined;
  return { verb, rights, niceness: niceness as number, output };
}

/** Undefined where it is none. */
export function signalIn(line: string): ProviderSignal | undefined {
  const { signal, whom } = objectIn(line) ?? {};
  return isOneOf(signal, ['SIGTERM', 'SIGKILL']) && isOneOf(whom, ['process', 'group']) ? { signal, whom } : undefined;
}

function objectIn(line: string): Record<string, unknown> | undefined {
  try {
    const said: unknown = JSON.parse(line);
    return typeof said === 'object' && said !== null ? (said as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const isOneOf = <T extends string>(value: unknown, all: readonly T[]): value is T => all.includes(value as T);
