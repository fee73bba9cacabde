// Who did what, from where, and how it ended; each entry bound to the one before, so that a change or removal shows.
import type { Trace } from '../model/trace.ts';
import { newId } from '../state/state.ts';
import { atLeast } from '../state/table.ts';
import { type Chain, createChain, type Link } from './audit-chain.ts';
import { headFileOf, readHead, writeHead } from './audit-head.ts';
import { resourceOf } from './audit-resource.ts';
import { type AuditProof, proveTrail } from './audit-verify.ts';
import type { AgentGround } from './ground.ts';

/** Who acts when nobody asked: the scheduler, retention, the watch over pools. */
export const agentItself = { actor: 'stillpoint', address: 'local' } as const;

export interface Audit {
  /** One row; nothing while the tracker is off. Never throws: what cannot be written now is written later, in order. */
  record(trace: Trace): void;
  isOn(): boolean;
  /** Switches recording on or off; this itself is always recorded. */
  setTracker(on: boolean, who: Pick<Trace, 'actor' | 'address'>): void;
  /** Reads all entries, a thousand at a time. Throws AUDIT_BROKEN with the first entry that is wrong. */
  verify(): Promise<AuditProof>;
  /** Forgets entries that are older than that many days; what remains can still be verified. */
  expire(keepDays?: number): void;
  /** Notes the newest entry and writes nothing more. */
  stop(): void;
}

export const startFact = 'audit.start';
export const trackerFact = 'audit.tracker';

const day = 24 * 3600 * 1000;
/** The guide does not say; long enough to look at what happened a year ago. */
const usualKeepDays = 400;
/** How long (ms) the newest entries may be in the database only. */
const noteWithin = 1000;
/** Entries that wait because the disk is full. */
const mostWaiting = 1000;

interface Opened {
  readonly chain: Chain;
  readonly file: string;
  /** As the head file has it. */
  noted: Link;
  on: boolean;
}

/** Nothing is read before it is first needed. */
export function createAudit({ state, sealer, layout, clock, log }: AgentGround): Audit {
  let opened: Opened | undefined;
  let timer: NodeJS.Timeout | undefined;
  let waiting: Trace[] = [];
  let verifying = 0;

  function open(): Opened {
    if (opened) return opened;
    const chain = createChain(sealer.derive('audit'));
    const file = headFileOf(layout);
    const head = readHead(file, chain);
    const last = state.audit.last();
    const start = chain.verified<Link & { readonly anew?: true }>('start', state.facts.get(startFact));
    const on = chain.verified<{ on: boolean }>('tracker', state.facts.get(trackerFact))?.on ?? true;
    const known = typeof head === 'object' ? head : (last ?? (start?.anew ? { seq: start.seq, hash: start.hash } : chain.origin));
    opened = { chain, file, noted: { seq: known.seq, hash: known.hash }, on };
    try {
      if (head === 'missing' && !last) writeHead(file, chain, opened.noted);
      else if (typeof head !== 'object')
        begin('failed', `data/audit.head was ${head}: entries after ${opened.noted.seq} may have been removed`);
      if (!last && start?.anew && start.seq === opened.noted.seq)
        begin('ok', `the database was made anew: the entries up to ${start.seq} are lost with the former one`);
      return opened;
    } catch (error) {
      opened = undefined;
      throw error;
    }
  }

  /** An entry of the trail about itself. */
  function begin(result: Trace['result'], detail: string): void {
    const about = { trace: 'startTrail', resourceType: 'audit', resourceId: '', resourceName: '' };
    append({ ...agentItself, ...about, result, detail, ...(result === 'failed' && { code: 'AUDIT_BROKEN' }) });
  }

  /** After the newest row; or, where rows were removed, after the one that was noted, so that the gap stays. */
  function append(trace: Trace): void {
    const { chain, noted } = open();
    const last = state.audit.last();
    const tail = last && last.seq >= noted.seq ? last : noted;
    const { actor, address, result, code = null, detail = '' } = trace;
    const about = { actor, address, trace: trace.trace, result, code, detail, ...resourceOf(state, trace) };
    const row = { id: newId(), seq: tail.seq + 1, at: clock.now(), ...about, previous: tail.hash };
    state.audit.insert({ ...row, hash: chain.hashOf(row) });
    timer ??= setTimeout(note, noteWithin).unref();
  }

  /** Rows first, then the head: after a crash it is behind, never ahead. Timers do not run inside a transaction, so what is read is kept. */
  function note(): void {
    clearTimeout(timer);
    timer = undefined;
    try {
      const now = open();
      retry();
      const last = state.audit.last();
      if (!last || last.seq <= now.noted.seq) return;
      writeHead(now.file, now.chain, last);
      now.noted = { seq: last.seq, hash: last.hash };
    } catch (error) {
      log.error({ err: error }, 'the newest audit entry could not be noted yet');
      timer ??= setTimeout(note, noteWithin).unref();
    }
  }

  function retry(): void {
    for (let trace = waiting[0]; trace; trace = waiting[0]) {
      append(trace);
      waiting.shift();
    }
  }

  function later(trace: Trace, error: unknown): void {
    log.error({ err: error, trace }, 'an audit entry could not be written yet');
    waiting = [...waiting, trace].slice(-mostWaiting);
    timer ??= setTimeout(note, noteWithin).unref();
  }

  return {
    record(trace) {
      try {
        if (!open().on) return;
        retry();
        append(trace);
      } catch (error) {
        later(trace, error);
      }
    },
    isOn: () => open().on,
    setTracker(on, who) {
      const now = open();
      const about = { trace: 'setTracker', resourceType: 'tracker', resourceId: '', resourceName: '' };
      state.transaction(() => {
        append({ ...who, ...about, result: 'ok', detail: on ? 'on' : 'off' });
        state.facts.set(trackerFact, now.chain.sign('tracker', { on, since: clock.now() }));
      });
      now.on = on;
      note();
    },
    async verify() {
      note();
      const { chain, noted, on } = open();
      verifying++;
      try {
        return await proveTrail({ table: state.audit, chain, noted, on, start: state.facts.get(startFact) });
      } finally {
        verifying--;
      }
    },
    expire(keepDays = usualKeepDays) {
      if (verifying > 0) return;
      const { chain } = open();
      const kept = state.audit.where([atLeast('at', clock.now() - keepDays * day)], 'seq', 1)[0] ?? state.audit.last();
      const [first] = state.audit.where([], 'seq', 1);
      if (!kept || !first || first.seq >= kept.seq) return;
      state.transaction(() => {
        state.facts.set(startFact, chain.sign('start', { seq: kept.seq - 1, hash: kept.previous }));
        state.audit.removeBefore(kept.seq);
      });
    },
    stop() {
      if (opened) note();
      clearTimeout(timer);
    },
  };
}

/** Before the first entry in a database that was made anew: the trail goes on where the lost one is known to have ended. */
export function beginAnew({ state, sealer, layout }: Pick<AgentGround, 'state' | 'sealer' | 'layout'>): void {
  const chain = createChain(sealer.derive('audit'));
  const head = readHead(headFileOf(layout), chain);
  if (typeof head === 'object' && head.seq > 0) state.facts.set(startFact, chain.sign('start', { ...head, anew: true }));
}
