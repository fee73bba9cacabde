// The process that holds a database frozen for a script: no other process of the agent waits for it, and it thaws by itself when its limit
// comes, when the freezer that all of it is for ends, when its starter ends too early, and on any signal.
import { writeSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { asStillpointError, errnoOf, failure, type Problem } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import { startOf } from '../base/process-id.ts';
import { withSocketPath } from '../base/socket-path.ts';
import { systemClock } from '../base/system-clock.ts';
import { layoutOf } from '../config/layout.ts';
import type { DatabaseFreezer, DatabaseSettings } from '../ports/database.ts';
import {
  askHolder,
  forgetHolder,
  greet,
  type HolderAnswer,
  type HolderAsk,
  type HolderProcess,
  writeHolder,
} from '../quiescers/scripts/holders.ts';
import { lifeline, listen, makeRunFolder } from '../quiescers/scripts/run-folder.ts';
import { thirdPartyLog } from '../quiescers/scripts/thirdparty-log.ts';
import { createKeeper, type Keeper, textOf } from './holder-keeper.ts';
import type { Databases, HolderPlace } from './holder-place.ts';
import { openSettings } from './holder-settings.ts';

/** First line on its standard input; the second is `seen`, when the starter has the answer. The end before that is the starter's death. */
export interface HoldOrder {
  readonly settings: DatabaseSettings;
  /** CLOCK_BOOTTIME (ms). */
  readonly deadline: number;
}

/** The one line on descriptor 3. */
export type HoldReply = { readonly lines: readonly string[] } & (
  | { readonly type: 'frozen' }
  | { readonly type: 'absent' }
  | { readonly type: 'failed'; readonly problem: Problem }
);

const replyFd = 3;
const maxLines = 200;
const claimMs = 2000;
const farewellMs = 1000;
/** Sleep of the watch: timers stand still while the host sleeps, the limit does not (ms). */
const tickMs = 100;
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const;

export async function holdDatabase(place: HolderPlace, databases: Databases): Promise<number> {
  const { folder, holder, database } = place;
  process.umask(0o077);
  const lines: string[] = [];
  const reply = (last: Last) => say({ lines: lines.splice(0), ...last });
  const starter = watchStarter();
  let mine = false;
  try {
    const order = await starter.order;
    makeRunFolder(folder);
    await claim(place);
    mine = true;
    const freezer = await databases[database]!();
    if (await absent(freezer, order.settings)) {
      reply({ type: 'absent' });
      return 0;
    }
    const tell = (line: string) => void (lines.length < maxLines && lines.push(line));
    const quiescer = freezer.quiescer(openSettings(freezer, order.settings), tell, place.id);
    let freezerLives = () => false;
    const keeper = createKeeper(quiescer, order.deadline, (reason) => noteThaw(place, reason, lines, freezerLives()));
    writeHolder(folder, holder, { state: 'freezing', ...self() });
    const release = await arm(place, keeper, order.deadline, lines);
    freezerLives = release.freezerLives;
    void starter.died.then(() => giveUp(keeper, 'the script that froze it was killed'));
    let frozen = false;
    try {
      const facts = await keeper.freeze();
      frozen = true;
      writeHolder(folder, holder, { state: 'frozen', ...self(), facts });
      reply({ type: 'frozen' });
    } catch (error) {
      if (frozen) giveUp(keeper, textOf(error));
      // A freeze that fails has undone what it began; one that was called off is being thawed.
      if (keeper.ending) await keeper.over;
      throw error;
    }
    await keeper.over;
    await release.close();
    return 0;
  } catch (error) {
    const problem = asStillpointError(error).toProblem();
    if (mine) writeHolder(folder, holder, { state: 'failed', ...self(), problem });
    reply({ type: 'failed', problem });
    return problem.exit;
  }
}

type Last = { readonly type: 'frozen' | 'absent' } | { readonly type: 'failed'; readonly problem: Problem };

function say(reply: HoldReply): void {
  try {
    writeSync(replyFd, `${JSON.stringify(reply)}\n`);
  } catch {
    // Nobody listens; the end of standard input tells that, too.
  }
}

function watchStarter(): { readonly order: Promise<HoldOrder>; readonly died: Promise<void> } {
  const order = Promise.withResolvers<HoldOrder>();
  const died = Promise.withResolvers<void>();
  void (async () => {
    let count = 0;
    try {
      for await (const line of linesOf(process.stdin)) if (count++ === 0) order.resolve(JSON.parse(line) as HoldOrder);
    } catch {
      // As good as its end.
    }
    if (count < 1) order.reject(failure('FREEZE_DIED', { detail: 'its script was killed' }));
    if (count < 2) died.resolve();
  })();
  return { order: order.promise, died: died.promise };
}

/** Throws FREEZE_BUSY where another holder of this name lives; takes away what a dead one left. */
async function claim({ folder, holder, database }: HolderPlace): Promise<void> {
  const other = await askHolder(folder, holder, 'held', claimMs).catch(() => ({}));
  if (other) throw failure('FREEZE_BUSY', { holder: `${database} is frozen already; freezing it again is an error` });
  forgetHolder(folder, holder);
}

/** Where nothing runs and nobody set a user there is nothing to freeze. Throws FREEZE_FAILED where a server runs that we cannot log in to. */
async function absent(freezer: DatabaseFreezer, given: DatabaseSettings): Promise<boolean> {
  const user = freezer.settings['user'];
  if (given['user'] || !user) return false;
  if (!(await freezer.present(given))) return true;
  if (user.fallback) return false;
  throw failure('FREEZE_FAILED', { name: freezer.name, detail: 'a server runs on this host, but no user is set on top of its script' });
}

interface Armed {
  /** The freezer that all of it is for is there (or was never there: a person at a prompt). */
  readonly freezerLives: () => boolean;
  readonly close: () => Promise<void>;
}

/** Everything that can end the freeze is in place before it begins. */
async function arm({ folder, holder }: HolderPlace, keeper: Keeper, deadline: number, lines: string[]): Promise<Armed> {
  for (const signal of signals) process.on(signal, () => giveUp(keeper, `its process got ${signal}`));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(event, (error: unknown) => giveUp(keeper, `its process failed: ${textOf(error)}`));
  const watch = setInterval(() => {
    if (systemClock.boottime() >= deadline) giveUp(keeper, 'it ran into its limit');
  }, tickMs);
  const server = createServer((socket) => void answer(socket, keeper, lines));
  await withSocketPath(folder, `${holder}.sock`, (at) => listen(server, at));
  const line = await withSocketPath(folder, lifeline, connected).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw failure('FREEZE_DIED', { detail: `its socket answers with ${errnoOf(error)}` }, { cause: error });
  });
  line?.once('close', () => giveUp(keeper, 'the freezer ended'));
  return {
    freezerLives: () => line !== undefined && !line.destroyed,
    async close() {
      clearInterval(watch);
      // Answers on their way arrive; nobody who only connects holds us up.
      await Promise.race([new Promise((resolve) => server.close(resolve)), pause(farewellMs)]);
    },
  };
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject).on('error', () => undefined);
      // Its end is seen only by who reads.
      socket.resume();
      resolve(socket);
    });
  });
}

const self = (): HolderProcess => ({ pid: process.pid, start: startOf(process.pid) });

function giveUp(keeper: Keeper, reason: string): void {
  // Attempts that fail are followed by others.
  keeper.thaw(reason).catch(() => undefined);
}

async function answer(socket: Socket, keeper: Keeper, lines: string[]): Promise<void> {
  socket.on('error', () => undefined);
  greet(socket);
  try {
    for await (const line of linesOf(socket)) {
      const { ask } = JSON.parse(line) as HolderAsk;
      const given = await (ask === 'thaw' ? keeper.thaw().then((facts) => ({ facts })) : keeper.held().then(() => ({}))).catch(
        (error: unknown) => ({ problem: asStillpointError(error).toProblem() }),
      );
      socket.end(`${JSON.stringify({ ...given, lines: lines.splice(0) } satisfies HolderAnswer)}\n`);
    }
  } catch {
    // Somebody who does not speak our language.
    socket.destroy();
  }
}

/** Where nobody asked, nobody hears: then the reason waits for the unfreeze script, or for who looks into log/thirdparty.log. */
function noteThaw({ folder, holder }: HolderPlace, reason: string | undefined, lines: string[], freezerLives: boolean): void {
  try {
    writeHolder(folder, holder, { state: 'thawed', ...self(), ...(reason !== undefined && { reason, lines: lines.slice() }) });
  } catch {
    // The thaw counts. The folder is gone, or the disk is full.
  }
  // While the freezer lives it may hold file systems; it tells the log after their thaw.
  if (reason === undefined || freezerLives) return;
  const log = thirdPartyLog(join(layoutOf().log, 'thirdparty.log'));
  for (const line of lines) log.add('INFO', process.pid, line);
  log.add('ERROR', process.pid, `${holder}: thawed without being asked: ${reason}`);
  log.flush();
}
