// What nobody asked for and nobody would notice: pools that are gone, vaults that fill up, backups that do not come, certificates that end,
// prunes that somebody blocks. Looked at every minute.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { certificateFiles } from '../config/certificate-files.ts';
import { type Level, levels, type Subject } from '../model/event.ts';
import type { Plan } from '../model/plan.ts';
import { nextStart } from '../model/starts.ts';
import type { State } from '../state/state.ts';
import { equals, oneOf } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import type { VaultRow } from '../state/vaults.ts';
import { isStanding } from './alarms.ts';
import type { AgentContext } from './context.ts';
import { ruleOf } from './plan-view.ts';

const hour = 3600_000;
const day = 24 * hour;
const gigabyte = 2 ** 30;
const grace = 12 * hour;
/** Of the tasks that pruned last. */
const mostPrunes = 1000;

type Saying = readonly [level: Level, content: string] | undefined;

/** Raises what has come and clears what is over. To be called every minute. */
export function watchAlarms(context: AgentContext): void {
  clearOrphans(context);
  for (const { id, name, state, stateDetail } of context.state.pools.where([])) {
    const offline: Saying = state === 'offline' ? ['major', `the pool ${name} is offline: ${stateDetail}`] : undefined;
    settle(context, { kind: 'pool', id, name }, 'POOL_OFFLINE', offline);
  }
  const prunes = endedPrunes(context);
  for (const vault of context.state.vaults.where([])) watchVault(context, vault, prunes.get(vault.id) ?? []);
  const plans = context.state.plans.where([]);
  for (const plan of plans) watchAge(context, plan);
  forgetOthers(context.state, plans);
  settle(context, { kind: 'agent', id: '', name: '' }, 'CERTIFICATE_ENDS', certificateSaying(context));
}

/** Says it once: what is said already is not raised anew every minute. */
function settle({ alarms }: AgentContext, subject: Subject, type: string, saying: Saying): void {
  const standing = alarms.standing(subject, type);
  if (!saying) {
    if (standing) alarms.clear(subject, type);
    return;
  }
  const [level, content] = saying;
  const higher = standing && levels.indexOf(level) > levels.indexOf(standing.level);
  if (standing?.content !== content || higher) alarms.raise({ subject, type, level, content });
}

/** Alarms of what is gone are over. */
function clearOrphans({ state, alarms }: AgentContext): void {
  for (const { subjectKind: kind, subjectId: id, subjectName: name, type } of state.alarming.alarms.where([isStanding])) {
    const table = kind === 'plan' ? state.plans : kind === 'vault' ? state.vaults : kind === 'pool' ? state.pools : undefined;
    if (table && !table.get(id)) alarms.clear({ kind, id, name }, type);
  }
}

function watchVault(context: AgentContext, { id, name, usedBytes, capacityGb }: VaultRow, prunes: readonly TaskRow[]): void {
  const subject: Subject = { kind: 'vault', id, name };
  const percent = (100 * usedBytes) / (capacityGb * gigabyte);
  const level: Level | undefined = percent > 100 ? 'critical' : percent >= 95 ? 'major' : percent >= 80 ? 'minor' : undefined;
  const text = `the vault ${name} is used to ${Math.floor(percent)} % of its ${capacityGb} GB`;
  settle(context, subject, 'VAULT_USAGE', level && [level, text]);
  if (percent <= 100) context.alarms.clear(subject, 'VAULT_FULL');
  settle(context, subject, 'PRUNE_BLOCKED', pruneSaying(context, name, prunes));
}

/** Ended prunes of each vault, newest first. */
function endedPrunes({ state }: AgentContext): ReadonlyMap<string, readonly TaskRow[]> {
  const ended = oneOf('state', ['done', 'warnings', 'failed', 'died']);
  const rows = state.tasks.where([equals('type', 'prune'), ended], undefined, mostPrunes);
  return Map.groupBy(rows, ({ vaultId }) => vaultId ?? '');
}

function pruneSaying({ clock }: AgentContext, name: string, prunes: readonly TaskRow[]): Saying {
  const good = prunes.findIndex(({ problem }) => problem?.code !== 'REPO_LOCKED');
  const blocked = good < 0 ? prunes : prunes.slice(0, good);
  const first = blocked.at(-1);
  if (!first || clock.now() - (first.endedAt ?? first.createdAt) < day) return undefined;
  return ['major', `the vault ${name} has not been pruned since ${dateText(first.createdAt)}: ${blocked[0]?.problem?.detail ?? ''}`];
}

/** Also of plans that are paused, by whomever: that is how backups are forgotten. */
function watchAge(context: AgentContext, plan: Plan): void {
  const { state, clock } = context;
  const { id, name } = plan;
  const [good] = state.backups.where([equals('plan_id', id), oneOf('state', ['available', 'restoring'])], 'time DESC', 1);
  const last = good?.time ?? plan.createdAt;
  const limit = plan.associated ? tooOldAt(context, plan, last) : null;
  const pause = plan.pause ? `; it is paused: ${plan.pause.reason}` : '';
  const text = good ? `the last good backup of the plan ${name} is of ${dateText(last)}` : `the plan ${name} has no good backup yet`;
  settle(
    context,
    { kind: 'plan', id, name },
    'BACKUP_TOO_OLD',
    limit !== null && clock.now() > limit ? ['major', text + pause] : undefined,
  );
}

/** Where the plan names no age: two starts and twelve hours after the last good one. null for never. */
function tooOldAt({ state, log, clock }: AgentContext, plan: Plan, last: number): number | null {
  if (plan.maxAgeHours !== null) return last + plan.maxAgeHours * hour;
  // Most plans are younger than this, and need no look at their schedule.
  if (clock.now() <= last + grace) return null;
  const effective = ruleOf(state, plan);
  if (!effective?.enabled) return null;
  const { schedule } = effective.rule;
  const known = remembered(state);
  const question = JSON.stringify([last, schedule]);
  const answer = known.get(plan.id);
  if (answer?.question === question) return answer.limit;
  let limit: number | null = null;
  try {
    const first = nextStart(schedule, last);
    const second = first === null ? null : nextStart(schedule, first);
    limit = second === null ? null : second + grace;
  } catch (error) {
    log.warn({ err: error, plan: plan.name }, 'the schedule of a plan cannot be followed');
  }
  known.set(plan.id, { question, limit });
  return limit;
}

interface Answer {
  readonly question: string;
  readonly limit: number | null;
}

/** Plan → its limit: schedules are slow to follow, and the answer changes with the next good backup only. */
const limits = new WeakMap<State, Map<string, Answer>>();

function remembered(state: State): Map<string, Answer> {
  const known = limits.get(state) ?? new Map<string, Answer>();
  limits.set(state, known);
  return known;
}

function forgetOthers(state: State, plans: readonly Plan[]): void {
  const known = remembered(state);
  if (known.size <= plans.length) return;
  const here = new Set(plans.map(({ id }) => id));
  for (const id of known.keys()) if (!here.has(id)) known.delete(id);
}

function certificateSaying({ layout, clock }: AgentContext): Saying {
  const files = certificateFiles(layout.certificates);
  const ends = (['ca', 'server', 'client'] as const).flatMap((name) => {
    const end = endOf(files[name].cert);
    return end === undefined ? [] : [{ name, end }];
  });
  const [soonest] = ends.sort((one, other) => one.end - other.end);
  const left = soonest && Math.floor((soonest.end - clock.now()) / day);
  if (left === undefined || left >= 30) return undefined;
  const level: Level = left < 1 ? 'critical' : left < 7 ? 'major' : 'minor';
  return [level, `the certificate ${soonest!.name}.crt ends on ${dateText(soonest!.end)}`];
}

/** ms; undefined where there is no certificate (yet). */
function endOf(file: string): number | undefined {
  try {
    return Date.parse(new X509Certificate(readFileSync(file)).validTo);
  } catch {
    return undefined;
  }
}

const dateText = (time: number) => `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
