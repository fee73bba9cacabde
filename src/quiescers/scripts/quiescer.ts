// A pair of freeze scripts as something that can be frozen. The contract with scripts is on top of scripts/agent_func.sh.
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failure, isCode, type Problem, StillpointError } from '../../base/errors.ts';
import { systemClock } from '../../base/system-clock.ts';
import type { FreezeFacts, Quiescer } from '../../ports/quiescer.ts';
import { absentFacts } from './absent.ts';
import { askHolder, askToThaw, forgetHolder, type HolderAnswer, holdersOf, readHolder } from './holders.ts';
import type { ScriptPair } from './pairs.ts';
import { runScript, type ScriptEnd } from './run-script.ts';
import { endLeftover, noteEnded, noteRunning } from './running.ts';
import { checkSafeFile } from './safe-file.ts';
import type { ThirdPartyLog } from './thirdparty-log.ts';

export interface ScriptContext {
  /** `$1`: the agent's home. */
  readonly agentRoot: string;
  /** `$2`: unique for this freeze. */
  readonly id: string;
  /** AGENT_RUN/freeze/<id>: exists, belongs to the privileged user, nobody else may enter it. */
  readonly runFolder: string;
  readonly limits: {
    /** For one script (ms). */
    readonly scriptMs: number;
  };
  /** Flushed by the caller, once nothing is frozen. */
  readonly log: ThirdPartyLog;
  /** The privileged user's uid. */
  readonly owner: number;
}

type Action = 'freeze' | 'unfreeze';

/** What `absent` of agent_func.sh writes into RESULT_FILE. */
const saysAbsent = '0 absent';

/** How long a holder may take to say that it still holds (ms). */
const proofMs = 5000;

export function scriptQuiescer(pair: ScriptPair, context: ScriptContext): Quiescer {
  const { runFolder, log } = context;
  const { name } = pair;
  let holders: readonly string[] = [];
  let freezing: Promise<unknown> = Promise.resolve();
  let thawing: Promise<FreezeFacts> | undefined;
  let frozen = false;
  /** The last freeze script said that its application is not on this host. */
  let absent = false;
  /** What the last thaw told, while nothing has been frozen since. */
  let thawed: FreezeFacts | undefined;
  const note = (level: 'INFO' | 'ERROR', text: string) => log.add(level, process.pid, text);

  /** Undefined: the script says that it worked. */
  async function faultOf(action: Action, limitMs: number, more: Readonly<Record<string, string>>, signal?: AbortSignal) {
    const { file, fd } = pair[action];
    const result = freshResultFile(join(runFolder, `${name}.${action}.result`));
    try {
      const helper = join(context.agentRoot, 'bin', 'agent_func.sh');
      if (existsSync(helper)) checkSafeFile(helper, context.owner);
      note('INFO', `${file} begins`);
      const environment = { ...environmentOf(context, name), RESULT_FILE: result, ...more };
      const end = await runScript({
        fd,
        args: [context.agentRoot, context.id],
        environment,
        limitMs,
        ...(signal && { signal }),
        onStart: (pid) => noteStart(action, pid),
        onLine: (level, pid, text) => log.add(level, pid, text),
      });
      const said = end.kind === 'exit' ? resultIn(result) : '';
      const fault = faultIn(end, said === saysAbsent ? '0' : said, limitMs);
      if (action === 'freeze') absent = fault === undefined && said === saysAbsent;
      note(fault ? 'ERROR' : 'INFO', `${file} ${fault ?? 'has worked'}`);
      return fault;
    } finally {
      rmSync(result, { force: true });
      noteEnded(runFolder, name);
    }
  }

  /** Without its note a freeze script is not let run; a thaw is not held up for one. */
  function noteStart(action: Action, pid: number): void {
    try {
      noteRunning(runFolder, name, pid);
    } catch (error) {
      if (action === 'freeze') throw error;
      note('ERROR', text(error));
    }
  }

  /** First the holders themselves, for that takes milliseconds while users wait; then the script, which may have more to undo. */
  async function thawOnce(): Promise<FreezeFacts> {
    const facts: Record<string, string> = {};
    await thawHolders(facts);
    // A freeze script that still runs might freeze after its unfreeze script; it has been told to end.
    await freezing;
    await endLeftover(runFolder, name);
    await thawHolders(facts);
    const fault = await faultOf('unfreeze', context.limits.scriptMs, {});
    if (fault) throw failure('FREEZE_THAW_FAILED', { name, detail: `${pair.unfreeze.file} ${fault}` });
    for (const holder of holdersOf(runFolder, name)) forgetHolder(runFolder, holder);
    return facts;
  }

  async function thawHolders(facts: Record<string, string>): Promise<void> {
    for (const holder of holdersOf(runFolder, name)) {
      const answer = await askToThaw(runFolder, holder, context.limits.scriptMs).catch((error: unknown) => note('ERROR', text(error)));
      if (!answer) continue;
      Object.assign(facts, tell(holder, answer));
      // The unfreeze script finds nothing frozen, and is the quicker for it.
      if (!answer.problem) forgetHolder(runFolder, holder);
    }
  }

  function thaw(): Promise<FreezeFacts> {
    frozen = false;
    if (thawed) return Promise.resolve(thawed);
    thawing ??= thawOnce()
      .then((facts) => {
        thawed = facts;
        return facts;
      })
      .finally(() => {
        thawing = undefined;
      });
    return thawing;
  }

  function tell(holder: string, { lines, problem, facts }: HolderAnswer): FreezeFacts {
    for (const line of lines) note('INFO', `${holder}: ${line}`);
    if (problem) note('ERROR', `${holder}: ${problem.detail}`);
    return facts ?? {};
  }

  return {
    name,
    async freeze({ deadline, signal }) {
      if (signal.aborted) throw failure('FREEZE_FAILED', { name, detail: 'it was called off' });
      holders = [];
      thawed = undefined;
      const left = Math.max(0, Math.min(context.limits.scriptMs, deadline - systemClock.boottime()));
      const work = faultOf('freeze', left, { STILLPOINT_FREEZE_DEADLINE: String(Math.floor(deadline)) }, signal);
      freezing = work.catch(() => undefined);
      const fault = await work;
      if (fault === undefined) {
        holders = holdersOf(runFolder, name);
        frozen = !signal.aborted;
        // One that holds something is not absent, whatever its script says.
        if (absent && holders.length === 0) return absentFacts;
        return Object.assign({}, ...holders.map((holder) => factsOf(runFolder, holder)));
      }
      const problem = holdersOf(runFolder, name)
        .map((holder) => problemOf(runFolder, holder))
        .find((one) => one !== undefined);
      const cause = problem ? new StillpointError(problem) : failure('SCRIPT_FAILED', { name: pair.freeze.file, detail: fault });
      // A script that failed half-way may have frozen something. If that cannot be undone the caller has to know.
      await thaw().catch((error: unknown) => {
        throw isCode(error, 'FREEZE_THAW_FAILED') ? failure('FREEZE_THAW_FAILED', { name, detail: text(error) }, { cause }) : error;
      });
      throw cause;
    },
    async held() {
      if (!frozen) throw failure('FREEZE_LOST', { name, detail: 'it was thawed' });
      for (const holder of holders) await prove(name, runFolder, holder);
    },
    thaw,
  };
}

/** Throws FREEZE_LOST. */
async function prove(name: string, folder: string, holder: string): Promise<void> {
  const lost = (detail: string) => failure('FREEZE_LOST', { name, detail });
  const answer = await askHolder(folder, holder, 'held', proofMs).catch((error: unknown) => {
    throw lost(text(error));
  });
  if (answer?.problem) throw answer.problem.code === 'FREEZE_LOST' ? new StillpointError(answer.problem) : lost(answer.problem.detail);
  if (answer) return;
  const state = readHolder(folder, holder);
  if (state?.state === 'thawed') throw lost(state.reason ?? 'it was thawed by somebody else');
  throw lost(`the process that held it${state ? ` (${state.pid})` : ''} has ended`);
}

function faultIn(end: ScriptEnd, result: string, limitMs: number): string | undefined {
  if (end.kind === 'died') return end.detail;
  if (end.kind === 'killed' && end.why === 'signal') return 'was ended, for the freeze was called off';
  if (end.kind === 'killed') return `did not end within ${limitMs / 1000} s and was killed`;
  if (end.code !== 0) return `ended with exit code ${end.code}`;
  if (result === '0') return undefined;
  return result === '' ? 'ended with exit code 0 but wrote no result into RESULT_FILE' : `wrote the result ${result.slice(0, 20)}`;
}

/** As scripts of the CBR agent leave it. Nobody else reaches it: the folder is the privileged user's alone. */
function freshResultFile(path: string): string {
  rmSync(path, { force: true });
  writeFileSync(path, '', { flag: 'wx' });
  chmodSync(path, 0o666);
  return path;
}

function resultIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Nothing of our own environment reaches a script but what it is meant to see. */
function environmentOf(context: ScriptContext, pair: string): Record<string, string> {
  const { agentRoot, runFolder } = context;
  const own = Object.fromEntries(['TZ', 'HOME', 'AGENT_RUN'].flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
  return {
    ...own,
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    AGENT_HOME: agentRoot,
    STILLPOINT_FREEZE_FOLDER: runFolder,
    STILLPOINT_FREEZE_PAIR: pair,
  };
}

function factsOf(folder: string, holder: string): FreezeFacts {
  const state = readHolder(folder, holder);
  return state?.state === 'frozen' ? state.facts : {};
}

function problemOf(folder: string, holder: string): Problem | undefined {
  const state = readHolder(folder, holder);
  return state?.state === 'failed' ? state.problem : undefined;
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
