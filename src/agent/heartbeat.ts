// Heartbeats: addresses of a plan that are asked when a run starts and ends, so that somebody outside notices when none comes.
import { get as getPlainly, type IncomingMessage } from 'node:http';
import { get as getSafely } from 'node:https';
import { backoff, type Patience, Transient } from '../base/backoff.ts';
import { failure } from '../base/errors.ts';
import type { Heartbeat } from '../model/plan.ts';
import type { AgentContext } from './context.ts';

/** ms that one answer may take. */
const wait = 10_000;
const tries = 3;

export const heartbeatContext = (planId: string): string => `heartbeat:${planId}`;

/**
 * Asks the plan's address for `beat`, if it has one, and again when it does not answer with 2xx. Never throws: a heartbeat that fails is a line
 * in the log and an event. The address holds a token, so only its host is ever told.
 */
export async function sendHeartbeat(context: AgentContext, planId: string, beat: keyof Heartbeat, patience: Patience = {}): Promise<void> {
  const { state, log, events } = context;
  let host = '';
  try {
    const plan = state.plans.get(planId);
    const address = plan && addressOf(context, planId, plan.heartbeat, beat);
    if (!address) return;
    host = address.host;
    let left = tries;
    await backoff(
      async () => {
        left--;
        const trouble = await ask(address);
        if (trouble === undefined) return;
        const final = failure('ALARM_SINK', { sink: host, detail: trouble });
        throw left > 0 ? new Transient(final) : final;
      },
      { initial: 1000, factor: 2, ...patience },
    );
  } catch (error) {
    // What went wrong may name the address.
    const detail = (error as { code?: string }).code === 'ALARM_SINK' ? (error as Error).message : 'its address could not be read';
    log.warn({ plan: planId, beat, host, detail }, 'a heartbeat was not taken');
    try {
      const name = state.plans.get(planId)?.name ?? '';
      const content = `the heartbeat (${beat}) was not taken by ${host || 'its receiver'}: ${detail}`;
      events.note({ subject: { kind: 'plan', id: planId, name }, type: 'HEARTBEAT_FAILED', level: 'minor', content });
    } catch (cause) {
      log.warn({ err: cause }, 'that a heartbeat failed could not be noted');
    }
  }
}

function addressOf({ sealer }: AgentContext, planId: string, sealed: string | null, beat: keyof Heartbeat): URL | undefined {
  if (sealed === null) return undefined;
  const text = (JSON.parse(sealer.open(heartbeatContext(planId), sealed)) as Heartbeat)[beat];
  return text === undefined ? undefined : new URL(text);
}

/** Why it was not taken, without the address; undefined if it was. Redirects are not followed. */
async function ask(address: URL): Promise<string | undefined> {
  const signal = AbortSignal.timeout(wait);
  const options = { signal, agent: false, headers: { 'user-agent': 'stillpoint' } } as const;
  try {
    const { statusCode = 0 } = await new Promise<IncomingMessage>((resolve, reject) => {
      const taken = (answer: IncomingMessage) => {
        answer.destroy();
        resolve(answer);
      };
      (address.protocol === 'https:' ? getSafely(address, options, taken) : getPlainly(address, options, taken)).on('error', reject);
    });
    return statusCode >= 200 && statusCode < 300 ? undefined : `it answered ${statusCode}`;
  } catch (error) {
    return signal.aborted
      ? `it did not answer within ${wait / 1000} s`
      : `it cannot be reached (${(error as { code?: string }).code ?? 'unknown'})`;
  }
}
