// rdtask hooks: runs the commands that root has named, as the users that root wrote beside them, before and after a backup. Nothing that it
// is told is believed further than their names. It outlives a task that dies.
import { Socket } from 'node:net';
import { asStillpointError, fail, failure } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import { allowFileOf, readAllowList } from '../config/allow-list.ts';
import type { AllowedCommand } from '../model/allowance.ts';
import type { HookEvent, HookFacts, HookOrder, HookResult } from '../model/hooks.ts';
import type { Hooks } from '../model/plan.ts';
import { runCommand } from '../sources/command/around.ts';

/** ms that a command may take. */
const patienceMs = 10 * 60_000;

const root = 0;
const mostHooks = 100;

type When = keyof Hooks;
type Named = readonly { readonly name: string; readonly command: AllowedCommand }[];

interface Round {
  readonly commands: Readonly<Record<When, Named>>;
  readonly facts: HookFacts;
}

/** Resolves with the exit code once everything has run. `limit`: ms that a command may take, for tests. */
export async function serveHooks(limit: number = patienceMs): Promise<number> {
  const orders = new Socket({ fd: 3, readable: true, writable: false });
  const events = new Socket({ fd: 4, readable: false, writable: true });
  for (const stream of [orders, events, process.stderr]) stream.on('error', () => undefined); // a dead task hears nothing
  // Whoever stops the service stops the task; what was begun is finished first.
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const say = (event: HookEvent) => void events.write(`${JSON.stringify(event)}\n`);
  const stop = new AbortController();
  let round: Round | undefined;
  let running: Promise<void> = Promise.resolve();

  const before = async (order: Extract<HookOrder, { ask: 'before' }>): Promise<HookEvent> => {
    try {
      if (round) fail('USAGE', { detail: 'a backup begins once' });
      round = roundOf(order);
      for (const one of round.commands.before) await mustRun(one, 'before', environmentOf(round), limit, stop.signal);
      return { type: 'done' };
    } catch (error) {
      return { type: 'problem', problem: asStillpointError(error).toProblem() };
    }
  };
  const after = async (result: HookResult, code: string) => {
    stop.abort(failure('TASK_CANCELLED')); // what runs before a backup that has ended is wanted no more
    await running;
    const ended = round;
    round = undefined;
    if (!ended) return;
    const environment = { ...environmentOf(ended), STILLPOINT_RESULT: result, STILLPOINT_CODE: code };
    const never = new AbortController().signal;
    for (const when of result === 'ok' ? (['after'] as const) : (['after', 'failure'] as const))
      for (const one of ended.commands[when])
        await mustRun(one, when, environment, limit, never).catch((error: unknown) =>
          say({ type: 'warning', warning: { item: one.name, detail: asStillpointError(error).message } }),
        );
  };

  try {
    for await (const line of linesOf(orders)) {
      const order = JSON.parse(line) as HookOrder;
      if (order.ask === 'before') running = before(order).then(say);
      else if (order.ask === 'after') await after(resultFrom(order.result), textFrom(order.code)).then(() => say({ type: 'done' }));
    }
  } catch (error) {
    process.stderr.write(`${asStillpointError(error).message}\n`);
  } finally {
    await after('failed', 'TASK_DIED');
  }
  return 0;
}

/** Throws HOOK_FAILED, and the signal's reason. */
async function mustRun(
  { name, command }: Named[number],
  when: When,
  environment: Readonly<Record<string, string>>,
  limit: number,
  signal: AbortSignal,
): Promise<void> {
  const tell = (text: string) => void process.stderr.write(text);
  tell(`${when}: ${name}\n`);
  const late = AbortSignal.timeout(limit);
  const ended = runCommand({ ...command, environment }, AbortSignal.any([signal, late]), tell);
  const failed = await ended.catch((error: unknown) => {
    signal.throwIfAborted();
    return late.aborted ? `did not end within ${limit / 1000} seconds` : asStillpointError(error).message;
  });
  if (failed) fail('HOOK_FAILED', { when, name, detail: failed });
}

/** All names are looked up before anything runs. Throws NOT_ALLOWED, USAGE, CONFIG_INVALID. */
function roundOf({ hooks, facts }: Extract<HookOrder, { ask: 'before' }>): Round {
  const list = readAllowList(allowFileOf(), root);
  const look = (names: unknown): Named => {
    if (!Array.isArray(names) || names.length > mostHooks) return fail('USAGE', { detail: 'lists of names are expected' });
    return names.map((name: unknown) => {
      const command = typeof name === 'string' && Object.hasOwn(list.commands, name) ? list.commands[name] : undefined;
      const what = `the command ${JSON.stringify(name)}`;
      return { name: String(name), command: command ?? fail('NOT_ALLOWED', { what, reason: 'root has named no such command' }) };
    });
  };
  const commands = { before: look(hooks.before), after: look(hooks.after), failure: look(hooks.failure) };
  return { commands, facts: { plan: textFrom(facts.plan), backup: textFrom(facts.backup) } };
}

const environmentOf = ({ facts }: Round) => ({ STILLPOINT_PLAN: facts.plan, STILLPOINT_BACKUP: facts.backup });

/** One short line. Throws USAGE. */
function textFrom(value: unknown): string {
  if (typeof value === 'string' && value.length <= 256 && !/\p{Cc}/u.test(value)) return value;
  return fail('USAGE', { detail: 'that is no name' });
}

function resultFrom(value: unknown): HookResult {
  return value === 'ok' || value === 'cancelled' ? value : 'failed';
}
