// Processes that hold a database frozen for a script (agent/holder.ts), as the pair's quiescer and the unfreeze script see them: a state
// file and a socket in the folder of the freeze. Named after the pair and the database, so that two pairs may freeze two servers of one kind.
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { errnoOf, type Problem } from '../../base/errors.ts';
import { startOf } from '../../base/process-id.ts';
import { withSocketPath } from '../../base/socket-path.ts';
import type { FreezeFacts } from '../../ports/quiescer.ts';

export interface HolderProcess {
  readonly pid: number;
  /** startOf(pid). */
  readonly start: string;
}

export type HolderState = HolderProcess &
  (
    | { readonly state: 'freezing' }
    | { readonly state: 'frozen'; readonly facts: FreezeFacts }
    /** It could not be frozen, and is not. */
    | { readonly state: 'failed'; readonly problem: Problem }
    /** `reason`: why, if nobody had asked for it; `lines`: what nobody has been told yet. */
    | { readonly state: 'thawed'; readonly reason?: string; readonly lines?: readonly string[] }
  );

/** What a holder is asked, one line of JSON on its socket. It greets with an empty line and answers with one of JSON. */
export interface HolderAsk {
  readonly ask: 'held' | 'thaw';
}

export interface HolderAnswer {
  readonly problem?: Problem;
  /** After a thaw. */
  readonly facts?: FreezeFacts;
  /** What there is to tell in log/thirdparty.log. */
  readonly lines: readonly string[];
}

export const holderName = (pair: string, database: string): string => `${pair}@${database}`;

/** Names of the holders that this pair has, or had, in this freeze. */
export function holdersOf(folder: string, pair: string): readonly string[] {
  try {
    const files = readdirSync(folder).filter((file) => file.startsWith(`${pair}@`) && file.endsWith('.json'));
    return files.map((file) => file.slice(0, -'.json'.length)).toSorted();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

export function readHolder(folder: string, name: string): HolderState | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as HolderState;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all; not durable, for it tells nothing after a restart of the host. */
export function writeHolder(folder: string, name: string, state: HolderState): void {
  const temporary = join(folder, `${name}.${process.pid}.tmp`);
  writeFileSync(temporary, JSON.stringify(state), { mode: 0o600 });
  renameSync(temporary, join(folder, `${name}.json`));
}

export function forgetHolder(folder: string, name: string): void {
  for (const ending of ['json', 'sock']) rmSync(join(folder, `${name}.${ending}`), { force: true });
}

/** Undefined where no holder answers: it has ended. Throws when it lives and does not answer in time. */
export function askHolder(folder: string, name: string, ask: HolderAsk['ask'], limitMs: number): Promise<HolderAnswer | undefined> {
  return withSocketPath(folder, `${name}.sock`, (path) => askAt(path, ask, limitMs)).catch((error: unknown) => {
    if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  });
}

/**
 * The same for a thaw, with the last means: a holder that does not even greet (stopped, stuck) is killed, which ends its session at the
 * server. One that greets is at work, and is left to it.
 */
export async function askToThaw(folder: string, name: string, limitMs: number): Promise<HolderAnswer | undefined> {
  try {
    return await askHolder(folder, name, 'thaw', limitMs);
  } catch (error) {
    const holder = readHolder(folder, name);
    if (!(error instanceof Silent) || !holder || startOf(holder.pid) !== holder.start) throw error;
    process.kill(holder.pid, 'SIGKILL');
    return undefined;
  }
}

class Silent extends Error {}

/** How long a holder may take to greet (ms). */
const greetingMs = 2000;
const greeting = '\n';

/** Its first words to whoever connects. */
export function greet(socket: Socket): void {
  socket.write(greeting);
}

function askAt(path: string, ask: HolderAsk['ask'], limitMs: number): Promise<HolderAnswer | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    const giveUp = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    const silent = setTimeout(() => giveUp(new Silent('the process that holds it does not react')), Math.min(greetingMs, limitMs));
    const slow = setTimeout(() => giveUp(new Error(`the process that holds it did not answer within ${limitMs / 1000} s`)), limitMs);
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => {
      clearTimeout(silent);
      text += part;
    });
    socket.once('error', reject);
    // Its end without a whole answer is the end of the holder.
    socket.once('close', () => {
      clearTimeout(silent);
      clearTimeout(slow);
      const answer = text.slice(greeting.length);
      resolve(answer.endsWith('\n') ? (JSON.parse(answer) as HolderAnswer) : undefined);
    });
    socket.write(`${JSON.stringify({ ask } satisfies HolderAsk)}\n`);
  });
}
