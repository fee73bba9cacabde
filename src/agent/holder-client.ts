// What freeze and unfreeze scripts run: starts the process that holds a database, or lets it thaw, and says how that went.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, rmdirSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { exits } from '../base/error-codes.ts';
import { fail, failure, type Problem } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import { systemClock } from '../base/system-clock.ts';
import { askToThaw, forgetHolder, readHolder } from '../quiescers/scripts/holders.ts';
import { checkRunFolder } from '../quiescers/scripts/run-folder.ts';
import type { HoldOrder, HoldReply } from './holder-hold.ts';
import { type Databases, type HolderPlace, say } from './holder-place.ts';
import { openSettings, parseSettings, readInput } from './holder-settings.ts';

/** Of a freeze by hand (ms). */
const limitByHand = 60_000;
const longestLimit = 3_600_000;
/** A holder tries its thaw without end; the script is told after this long that it has not worked yet (ms). */
const thawMs = 20_000;

/** Resolves when the database is frozen and a process of its own holds it. */
export async function freezeDatabase(place: HolderPlace): Promise<number> {
  const deadline = deadlineFrom(process.env['STILLPOINT_FREEZE_DEADLINE'], place.database);
  const settings = parseSettings(await readInput());
  const child = startHolder(place);
  const orders = child.stdin as Writable;
  // A holder that has ended already has told why.
  orders.on('error', () => undefined);
  orders.write(`${JSON.stringify({ settings, deadline } satisfies HoldOrder)}\n`);
  const reply = await replyOf(child);
  tellAll(reply.lines);
  if (reply.type === 'failed') {
    // The agent reads there why; a person has been told. Who froze before us is left alone.
    if (!place.byAgent && reply.problem.code !== 'FREEZE_BUSY') forget(place);
    return tellProblem(reply.problem);
  }
  // From here on it lives on without us.
  await new Promise<void>((resolve) => orders.end('seen\n', resolve));
  child.unref();
  if (reply.type === 'absent') return nothingToFreeze(place);
  say('INFO', `${place.database} is frozen, held by process ${child.pid}`);
  return 0;
}

/** Exit code 0 where nothing was frozen, or where it was thawed now. */
export async function unfreezeDatabase(place: HolderPlace, databases: Databases): Promise<number> {
  const { folder, holder, database } = place;
  const settings = parseSettings(await readInput());
  if (!existsSync(folder)) return nothingFrozen(place);
  checkRunFolder(folder);
  if (readHolder(folder, holder) === undefined) return nothingFrozen(place);
  const answer = await askToThaw(folder, holder, thawMs);
  if (answer) {
    tellAll(answer.lines);
    if (answer.problem) return tellProblem(answer.problem);
    forget(place);
    say('INFO', `${database} is thawed`);
    return 0;
  }
  // The holder has ended: what it last said of itself tells the rest.
  const state = readHolder(folder, holder);
  if (!state || state.state === 'failed') return nothingFrozen(place);
  if (state.state === 'thawed') {
    tellAll(state.lines ?? []);
    forget(place);
    if (state.reason !== undefined) return notHeld(place, state.reason);
    say('INFO', `${database} is thawed already`);
    return 0;
  }
  // What outlives its session at the server (a prepared snapshot) is ended from here.
  const freezer = await databases[database]!();
  tellFacts(await freezer.quiescer(openSettings(freezer, settings), (line) => say('INFO', line), place.id).thaw());
  forget(place);
  return notHeld(place, `the process that held it (${state.pid}) has ended`);
}

function startHolder({ database, id }: HolderPlace): ChildProcess {
  // A session of its own: neither the script's end nor its killing ends it; and no pipe but these two keeps it tied to anybody.
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, 'database', database, 'hold', id], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
  });
  child.on('error', () => undefined);
  return child;
}

async function replyOf(child: ChildProcess): Promise<HoldReply> {
  const pipe = child.stdio[3] as Readable;
  for await (const line of linesOf(pipe)) return JSON.parse(line) as HoldReply;
  throw failure('FREEZE_DIED', { detail: 'the process that was to hold the database ended without a word' });
}

/** Given by the agent as CLOCK_BOOTTIME (ms). Throws USAGE, FREEZE_FAILED. */
function deadlineFrom(text: string | undefined, name: string): number {
  const now = systemClock.boottime();
  if (!text) return now + limitByHand;
  if (!/^\d{1,15}$/.test(text)) fail('USAGE', { detail: 'STILLPOINT_FREEZE_DEADLINE is no number of milliseconds' });
  if (Number(text) <= now) fail('FREEZE_FAILED', { name, detail: 'its limit had passed before it began' });
  return Math.min(Number(text), now + longestLimit);
}

function nothingToFreeze(place: HolderPlace): number {
  forget(place);
  say('INFO', `no ${place.database} on this host: nothing to freeze`);
  return 0;
}

function nothingFrozen(place: HolderPlace): number {
  forget(place);
  say('INFO', `${place.database} is not frozen: nothing to thaw`);
  return 0;
}

/** A person who freezes by hand learns it from the exit code; the agent has learnt it from its proof, and asked for the thaw alone. */
function notHeld({ database, byAgent }: HolderPlace, reason: string): number {
  say('ERROR', `${database} did not stay frozen: ${reason}; it is thawed`);
  return byAgent ? 0 : exits.failed;
}

function forget({ folder, holder, byAgent }: HolderPlace): void {
  forgetHolder(folder, holder);
  if (byAgent) return;
  try {
    rmdirSync(folder);
  } catch {
    // Somebody else freezes under the same id, or it is gone.
  }
}

function tellProblem({ detail, hint, exit }: Problem): number {
  say('ERROR', `${detail}. ${hint}`);
  return exit || exits.failed;
}

function tellFacts(facts: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(facts)) say('INFO', `${name}: ${value}`);
}

function tellAll(lines: readonly string[]): void {
  for (const line of lines) say('INFO', line);
}
