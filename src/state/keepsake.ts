// What would be lost with the database: everything that the vaults do not tell. Kept apart from it, and put into a new one.
import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Plan } from '../model/plan.ts';
import type { Policy } from '../model/policy.ts';
import type { AlarmRuleRow, AlarmSinkRow } from './alarms.ts';
import { isDamage, openDatabase } from './database.ts';
import type { GatewayRow } from './gateways.ts';
import type { InstanceRow } from './instances.ts';
import { migrations } from './migrations.ts';
import type { PoolRow } from './pools.ts';
import type { State } from './state.ts';
import type { VaultRow } from './vaults.ts';

export interface Keepsake {
  /** How many migrations its rows have behind them. */
  readonly schema: number;
  readonly agentId: string;
  readonly policies: readonly Policy[];
  readonly pools: readonly PoolRow[];
  readonly vaults: readonly VaultRow[];
  readonly plans: readonly Plan[];
  readonly gateways: readonly GatewayRow[];
  readonly sinks: readonly AlarmSinkRow[];
  readonly rules: readonly AlarmRuleRow[];
  readonly instances: readonly InstanceRow[];
  readonly facts: Readonly<Record<string, unknown>>;
}

/** Of what the agent remembers by name, what a new database cannot find out again. */
const keptFacts = ['audit.tracker'];

/** Secrets stay sealed. */
export function keepsakeOf(state: State): Keepsake {
  const rows = <T>(table: { where(filters: readonly never[], order: string): T[] }) => table.where([], 'id');
  // One that is being created has not told its recovery key yet: nobody needs it, nor what refers to it.
  const vaults = rows(state.vaults).filter((vault) => vault.state !== 'creating');
  const plans = rows(state.plans).filter((plan) => vaults.some((vault) => vault.id === plan.vaultId));
  return {
    schema: migrations.length,
    agentId: state.agentId,
    policies: rows(state.policies),
    pools: rows(state.pools).map((pool) => ({ ...pool, state: 'online', stateDetail: '', checkedAt: 0 })),
    vaults,
    plans,
    gateways: rows(state.gateways),
    sinks: rows(state.alarming.sinks),
    rules: rows(state.alarming.rules).filter((rule) => plans.some((plan) => plan.id === rule.planId)),
    instances: rows(state.instances),
    facts: Object.fromEntries(keptFacts.map((key) => [key, state.facts.get(key)]).filter(([, value]) => value !== undefined)),
  };
}

/** They change by themselves all the time; an older value does no harm. */
const passing = new Set(['usedBytes', 'care', 'accountedUntil', 'trouble']);

/** Two that differ only in what passes have the same: there is nothing new to keep. */
export const essenceOf = (keepsake: Keepsake): string =>
  JSON.stringify(keepsake, (key, value) => (passing.has(key) ? undefined : (value as unknown)));

/** Into a database that has no rows yet, in the order of their references. `now`: ms since the epoch. */
export function putBack(state: State, keepsake: Keepsake, now: number): void {
  for (const policy of keepsake.policies) state.policies.insert(policy);
  for (const pool of keepsake.pools) state.pools.insert(pool);
  for (const vault of keepsake.vaults) state.vaults.insert(vault.state === 'deleting' ? { ...vault, ...halfDeleted } : vault);
  for (const plan of keepsake.plans) state.plans.insert({ ...plan, accountedUntil: now });
  for (const gateway of keepsake.gateways) state.gateways.insert(gateway);
  for (const sink of keepsake.sinks) state.alarming.sinks.insert(sink);
  for (const rule of keepsake.rules) state.alarming.rules.insert(rule);
  for (const instance of keepsake.instances) state.instances.insert(instance);
  for (const [key, value] of Object.entries(keepsake.facts)) state.facts.set(key, value);
}

const halfDeleted = { state: 'error', stateDetail: 'its deletion was under way when the database was lost' } as const;

/** A new database with the identity of a former one. */
export function makeDatabase(path: string, agentId: string): void {
  const database = openDatabase(path);
  database.run("INSERT INTO identity (key, value) VALUES ('agentId', :agentId)", { agentId });
  database.close();
}

/** What is seen of a database file without changing anything. */
export interface Sight {
  readonly there: boolean;
  /** Why it is no database any more, for people. */
  readonly damage?: string;
  /** Undefined where nobody has written into it yet. */
  readonly agentId?: string;
}

/** Reads all pages once (50 ms for 40 MB). Trouble that is no damage (rights, a full disk) is left to who opens it. */
export function sightOf(path: string): Sight {
  if (!existsSync(path)) return { there: false };
  if (statSync(path).size === 0) return { there: true };
  let sqlite: DatabaseSync | undefined;
  try {
    sqlite = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    const said = String(sqlite.prepare('PRAGMA quick_check(1)').get()?.['quick_check']);
    if (said !== 'ok') return { there: true, damage: said.slice(0, 200) };
    const named = sqlite.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'identity'").get();
    const agentId = named && sqlite.prepare("SELECT value FROM identity WHERE key = 'agentId'").get()?.['value'];
    return { there: true, ...(typeof agentId === 'string' && { agentId }) };
  } catch (error) {
    if (isDamage(error)) return { there: true, damage: (error as Error).message };
    return { there: true, agentId: '' };
  } finally {
    sqlite?.close();
  }
}
