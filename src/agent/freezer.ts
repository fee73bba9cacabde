// The side of whoever wants something frozen: starts rdfreeze, asks it, and if it dies thaws what it left at once.
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { failure, StillpointError } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import type { Started } from '../host/start.ts';
import type { FactsByName, FreezeEvent, FreezeOrder, FreezeRequest, ThawReport } from '../model/freeze.ts';

export interface FreezerSettings {
  readonly start: (verb: 'freeze' | 'rescue') => Started;
  /** Calls the freeze off, whenever it comes: what is frozen thaws. */
  readonly signal?: AbortSignal;
  /** What it says on its standard error: alarms. */
  readonly onText?: (text: string) => void;
  /** What is known of a freeze that did not come about. */
  readonly onFailure?: (report: ThawReport) => void;
}

export interface Frozen {
  readonly pid: number;
  readonly names: readonly string[];
  readonly facts: FactsByName;
  /** Resolves while all has been still without a break. Throws FREEZE_LOST, FREEZE_EXPIRED or FREEZE_DIED. */
  prove(): Promise<void>;
  /** Idempotent; never rejects. */
  thaw(): Promise<ThawReport>;
  /** The report, also when the limit or a death came first. */
  readonly ended: Promise<ThawReport>;
}

/** A proof that takes longer proves nothing (ms). */
const proofMs = 5000;
/** rdfreeze tells how the thaw went at the latest so long after its limit; one that does not has to be replaced (ms). */
const overdueMs = 70_000;
/** Timers of Node end at once when they are set longer (ms). */
const longestTimerMs = 2 ** 31 - 1;
/** After its last word it writes its log and ends (ms). */
const goodbyeMs = 5000;

/** Resolves when everything is frozen. Throws what stood in the way (FREEZE_…, SCRIPT_…, DATABASE_…) or the signal's reason; nothing stays frozen then. */
export async function startFreeze(request: FreezeRequest, settings: FreezerSettings): Promise<Frozen> {
  settings.signal?.throwIfAborted();
  const child = settings.start('freeze');
  const { orders } = child;
  listenToText(child, settings);
  const send = (order: FreezeOrder) => {
    if (orders.writable) orders.write(`${JSON.stringify(order)}\n`);
  };

  const begun = Promise.withResolvers<Extract<FreezeEvent, { type: 'frozen' }>>();
  const ended = Promise.withResolvers<ThawReport>();
  const proofs: PromiseWithResolvers<void>[] = [];
  let last: ThawReport | undefined;
  let died: StillpointError | undefined;
  const overdue = setTimeout(() => child.kill('SIGKILL', 'process'), Math.min(request.limitMs + overdueMs, longestTimerMs));

  const hear = (event: FreezeEvent) => {
    if (event.type === 'frozen') begun.resolve(event);
    else if (event.type === 'proof') {
      const proof = proofs.shift();
      if (event.problem) proof?.reject(new StillpointError(event.problem));
      else proof?.resolve();
    } else {
      last = event.report;
      clearTimeout(overdue);
      // What could not be thawed is tried on by rdfreeze, for as long as it takes; the caller is told now.
      if (!last.thawed) ended.resolve(last);
      if (event.type !== 'failed') return;
      settings.onFailure?.(event.report);
      begun.reject(new StillpointError(event.problem));
    }
  };
  const hearing = listen(child.events, hear);
  void child.ended.then(async (detail) => {
    clearTimeout(overdue);
    await Promise.race([hearing, pause(goodbyeMs)]);
    if (last === undefined) died = failure('FREEZE_DIED', { detail });
    // Should only rdprovider be gone, the end of its orders thaws.
    orders.end();
    const report = last?.thawed ? last : await afterDeath(detail, last, settings);
    begun.reject(died);
    ended.resolve(report);
  });
  const callOff = () => void orders.end();
  settings.signal?.addEventListener('abort', callOff, { once: true });
  void ended.promise.then((report) => {
    settings.signal?.removeEventListener('abort', callOff);
    for (const proof of proofs) proof.reject(died ?? lossOf(report));
  });

  send({ type: 'freeze', request });
  const { names, facts } = await begun.promise.catch(async (error: unknown) => {
    orders.end();
    await ended.promise;
    settings.signal?.throwIfAborted();
    throw error;
  });
  return {
    pid: child.pid,
    names,
    facts,
    ended: ended.promise,
    async prove() {
      if (died) throw died;
      if (last) throw lossOf(last);
      const proof = Promise.withResolvers<void>();
      proofs.push(proof);
      send({ type: 'prove' });
      const none = new AbortController();
      const silence = pause(proofMs, undefined, { signal: none.signal, ref: false }).then(() => {
        throw failure('FREEZE_LOST', { name: 'the freeze', detail: 'rdfreeze does not answer' });
      });
      await Promise.race([proof.promise, silence]).finally(() => none.abort());
    },
    thaw() {
      send({ type: 'thaw' });
      return ended.promise;
    },
  };
}

function listenToText({ text }: Started, { onText }: FreezerSettings): void {
  text.setEncoding('utf8').on('data', (part: string) => onText?.(part));
}

/** It ended without having thawed: what it held is thawed from here, at once and then again and again. */
async function afterDeath(detail: string, last: ThawReport | undefined, settings: FreezerSettings): Promise<ThawReport> {
  const thawed = await rescueOnce(settings);
  if (!thawed) void rescueOn(settings);
  const lost = { cause: 'lost', reason: failure('FREEZE_DIED', { detail }).message } as const;
  return { steps: [], facts: {}, frozenMs: 0, ...last, held: false, lost: last?.lost ?? lost, thawed };
}

async function rescueOn(settings: FreezerSettings): Promise<void> {
  for (let wait = 1000; !(await pause(wait, undefined, { ref: false }).then(() => rescueOnce(settings))); )
    wait = Math.min(wait * 2, 60_000);
}

/** `rdfreeze rescue`; answers whether nothing is left frozen. Never rejects. */
export async function rescueOnce(settings: FreezerSettings): Promise<boolean> {
  const child = settings.start('rescue');
  listenToText(child, settings);
  return (await child.ended) === 'exit code 0';
}

async function listen(pipe: Readable, hear: (event: FreezeEvent) => void): Promise<void> {
  try {
    for await (const line of linesOf(pipe)) hear(JSON.parse(line) as FreezeEvent);
  } catch {
    // A line cut off by the death of its writer; the end of the process tells the rest.
    pipe.resume();
  }
}

function lossOf({ lost }: ThawReport): StillpointError {
  const detail = lost?.reason ?? 'it has been thawed';
  const code = lost?.cause === 'expired' ? 'FREEZE_EXPIRED' : 'FREEZE_LOST';
  const error = failure('FREEZE_LOST', { name: 'the freeze', detail });
  return code === 'FREEZE_LOST' ? error : new StillpointError({ ...error.toProblem(), code, detail });
}
