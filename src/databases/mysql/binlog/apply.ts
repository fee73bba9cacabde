// Point in time recovery: what the logs say happened after a backup happens again in a server that was just made from it.
import { fail } from '../../../base/errors.ts';
import type { LogMark, Until } from '../../../model/service.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import type { ServiceContext } from '../../../ports/service.ts';
import { asking, settingsOf } from '../physical/access.ts';
import { label, pairs, readServer, type Server } from '../server.ts';
import type { Ask } from '../session.ts';
import { type Chain, chainOf, newEvents, type Part, type PartLaw } from './chain.ts';
import { type EventHead, magic } from './events.ts';
import { type ReplayLog, replay } from './replay.ts';
import { findStop, type Stop } from './stop.ts';
import { type LogTools, logTools } from './tools.ts';

export interface ApplyOptions {
  /** Of a server that nobody else uses yet; without a password. */
  readonly address: { readonly socket: string };
  readonly user?: string;
  readonly run: RestoreRun;
  /** Where in the log the state lies that the server has. */
  readonly base: LogMark;
  /** Records, oldest first. */
  readonly logs: readonly string[];
  /** All that the logs have if left out. */
  readonly until?: Until | undefined;
  readonly context: ServiceContext;
}

/**
 * Times count in whole seconds: all that was committed until the end of the second is applied. Throws POINT_UNREACHABLE and LOG_GAP before
 * anything is applied; DATABASE_FAILED with the place where the server refuses what the log says; TOOL_…, REPO_….
 */
export async function applyBinlogs({ address, user = 'root', run, base, logs, until, context }: ApplyOptions): Promise<void> {
  const { chain, stop } = await findWay({ run, base, logs, until });
  if (chain.parts.length === 0 || stop?.position === 0) return;
  await asking(settingsOf({ socket: address.socket, user }), run.signal, async (ask) => {
    const { tools, options, settings } = await prepare(ask, chain);
    try {
      const logs = logsOf(run, chain, stop);
      await replay({ tools, options, socket: address.socket, user, folder: context.scratch(), logs, signal: run.signal });
    } finally {
      await putBack(ask, settings);
    }
  });
}

/** The way from `base` to the wanted moment; for a plan too, which changes nothing. Throws POINT_UNREACHABLE, LOG_GAP, REPO_…. */
export async function findWay({ run, base, logs, until }: Pick<ApplyOptions, 'run' | 'base' | 'logs' | 'until'>): Promise<Way> {
  const chain = await chainOf(run, base, logs);
  return { chain, stop: await findStop(run, chain, base, until) };
}

export interface Way {
  readonly chain: Chain;
  /** Undefined: all that the logs have. */
  readonly stop: Stop | undefined;
}

interface Prepared {
  readonly tools: LogTools;
  readonly options: readonly string[];
  /** As they were. */
  readonly settings: ReadonlyMap<string, string>;
}

/**
 * An event that the log holds may be as large as packets can be; the scheduler would do again what the log has done; and a host that fails
 * now costs a restore, not data, so nothing waits for the disk.
 */
const whileApplied: Readonly<Record<string, string>> = {
  max_allowed_packet: '1073741824',
  event_scheduler: 'OFF',
  local_infile: 'ON',
  innodb_flush_log_at_trx_commit: '2',
  sync_binlog: '0',
};

async function prepare(ask: Ask, { engine }: Chain): Promise<Prepared> {
  await ask('SET SESSION wait_timeout = 2147483'); // the session has nothing to say until all is applied
  const server = await readServer(ask);
  if (engine !== undefined && engine !== server.kind)
    fail('TOOL_VERSION', { tool: `the log of ${engine}`, have: '', server: label(server), package: engine });
  const tools = await logTools(server);
  const names = Object.keys(whileApplied).map((name) => `'${name}'`);
  const settings = pairs(await ask(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names.join(', ')})`));
  const options = await toolOptions(ask, server);
  for (const [name, value] of Object.entries(whileApplied)) {
    if (settings.get(name) !== value && settings.get(name) !== 'DISABLED') await ask(`SET GLOBAL ${name} = ${value}`);
  }
  return { tools, options, settings };
}

/** Transactions keep their ids where the server takes them. */
async function toolOptions(ask: Ask, server: Server): Promise<string[]> {
  // Before 10.8 the tool has no such check, which takes a log for broken that does not begin where a file of the server did.
  if (server.kind === 'MariaDB') return ['--skip-annotate-row-events', '--loose-skip-gtid-strict-mode'];
  const mode = pairs(await ask(`SHOW GLOBAL VARIABLES LIKE 'gtid_mode'`)).get('gtid_mode');
  return mode === 'ON' ? [] : ['--skip-gtids'];
}

/** A server that has gone has its old settings when it starts again. */
async function putBack(ask: Ask, settings: ReadonlyMap<string, string>): Promise<void> {
  for (const [name, value] of settings) {
    if (value !== whileApplied[name] && value !== 'DISABLED') await ask(`SET GLOBAL ${name} = ${value}`).catch(() => undefined);
  }
}

function* logsOf(run: RestoreRun, { parts }: Chain, stop: Stop | undefined): Generator<ReplayLog> {
  const wanted = stop === undefined ? parts : parts.slice(0, stop.part + 1);
  for (const [index, part] of wanted.entries()) {
    run.onFile(index, part.name);
    yield logOf(run, part, index === stop?.part ? { stop: stop.position } : {});
  }
}

function logOf(run: RestoreRun, part: Part, law: Pick<PartLaw, 'stop'>): ReplayLog {
  /** Where what has another distance to its place begins. */
  const stretches: { readonly offset: number; readonly start: number }[] = [];
  let offset = magic.length;
  const see = (head: EventHead) => {
    const last = stretches.at(-1);
    if (last === undefined || head.start - last.start !== offset - last.offset) stretches.push({ offset, start: head.start });
    offset += head.size;
    return false;
  };
  return {
    bytes: newEvents(run, part, { ...law, magic: true, see }),
    placeOf: (at) => {
      const stretch = stretches.findLast((one) => one.offset <= at);
      return `${part.name}:${stretch === undefined ? part.start : stretch.start + at - stretch.offset}`;
    },
  };
}
