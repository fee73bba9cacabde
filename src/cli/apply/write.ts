// What the agent has, as a file for `agentcli apply`: the reverse of reading one. Secrets are left out; a comment says where a file has to be named.
import { isDeepStrictEqual } from 'node:util';
import { Document, isMap, type YAMLMap } from 'yaml';
import { planDefaults } from '../../model/plan.ts';
import type { Retention } from '../../model/retention-rule.ts';
import type { Schedule } from '../../model/schedule.ts';
import type { Gateway } from '../../rpc/schemas-gateway.ts';
import type { Plan } from '../../rpc/schemas-plans.ts';
import type { Policy } from '../../rpc/schemas-policies.ts';
import type { Pool } from '../../rpc/schemas-pools.ts';
import { type Vault, VaultCreate } from '../../rpc/schemas-vaults.ts';
import { retentionWords, scheduleWords } from './rules.ts';
import type { Known } from './step.ts';

/** The same as an object, for --json. */
export function wholeFile({ gateway, pools, policies, vaults, plans }: Known) {
  return {
    ...(gateway && { gateway: gatewayItem(gateway) }),
    pools: pools.map(poolItem),
    policies: policies.map(policyItem),
    vaults: vaults.map(vaultItem),
    plans: plans.map((plan) => planItem(plan, plans)),
  };
}

export function fileText(known: Known): string {
  const document = new Document(wholeFile(known));
  document.commentBefore = ' For agentcli apply -f FILE. Secrets are not here: take the # away where a file with one is to be named.';
  known.pools.forEach(({ name, hasCredentials }, i) => {
    if (hasCredentials) hint(document, ['pools', i], `credentialsFile: ${name}.ini`);
  });
  known.vaults.forEach(({ name }, i) => {
    hint(document, ['vaults', i], `recoveryKeyFile: ${name}.key`);
  });
  known.policies.forEach((_policy, i) => {
    flow(document, ['policies', i, 'schedule'], ['policies', i, 'retention']);
  });
  known.plans.forEach(({ name, source, hasHeartbeat }, i) => {
    if (hasHeartbeat) hint(document, ['plans', i], `heartbeatFile: ${name}.heartbeat`);
    if (source.kind === 'bucket') hint(document, ['plans', i, 'source'], `credentialsFile: ${name}.ini`);
    if ('server' in source && source.server.user !== undefined)
      hint(document, ['plans', i, 'source', 'server'], `passwordFile: ${name}.pw`);
    flow(document, ...['schedule', 'retention', 'window', 'hooks', 'limits', 'consistency'].map((key) => ['plans', i, key]));
  });
  return document.toString({ lineWidth: 0 });
}

/** On one line each, where they are. */
function flow(document: Document, ...paths: readonly (readonly (string | number)[])[]): void {
  for (const path of paths) {
    const node = document.getIn(path, true);
    if (isMap(node)) node.flow = true;
  }
}

/** A line at the end of a map that is there once its # is taken away. */
function hint(document: Document, path: readonly (string | number)[], line: string): void {
  (document.getIn(path, true) as YAMLMap).comment = ` ${line}`;
}

function poolItem({ name, remark, place, bandwidth }: Pool) {
  return withoutUsual({ name, remark, place: withoutUsual(place), bandwidth, create: true });
}

function gatewayItem({ name, address, bandwidth }: Gateway) {
  return { name, address, bandwidth };
}

function policyItem({ name, enabled, rule }: Policy) {
  return { name, ...(!enabled && { enabled }), ...ruleItem(rule) };
}

function ruleItem({ schedule, retention, fullEveryDays }: Policy['rule']) {
  return {
    schedule: scheduleWords(schedule as Schedule),
    retention: retentionWords(retention as Retention),
    ...(fullEveryDays !== null && { fullEveryDays }),
  };
}

const usualVault = { type: 'any', protection: 'backup', spec: 'application-consistent' };

function vaultItem(vault: Vault) {
  const { name, description, poolName, policyName } = vault;
  const made = Object.keys(VaultCreate.properties) as (keyof Vault)[];
  const rest = Object.fromEntries(made.filter((key) => key in vault).map((key) => [key, vault[key]]));
  const policy = policyName === null ? {} : { policy: policyName };
  return withoutUsual({ name, description, pool: poolName, ...unlike(usualVault, rest), ...policy });
}

function planItem(plan: Plan, all: readonly Plan[]) {
  const { name, description, vaultName, source, consistency } = plan;
  const base = 'base' in source ? all.find(({ id }) => id === source.base)?.name : undefined;
  const server = 'server' in source ? { server: withoutUsual(source.server) } : {};
  const place = 'place' in source ? { place: withoutUsual(source.place) } : {};
  const read = withoutUsual({ ...source, ...server, ...place, ...(base !== undefined && { base }) });
  return { ...withoutUsual({ name, description, vault: vaultName, source: read }), ...timingItem(plan), ...extrasItem(plan), consistency };
}

function timingItem({ timing, policyName, rule }: Plan) {
  if (timing === 'manual') return { strategy: 'manual' };
  if (timing === 'policy') return policyName === null ? {} : { policy: policyName };
  return timing === 'own' && rule ? ruleItem(rule) : {};
}

function extrasItem({ window, hooks, limits, retries, spreadMinutes, missed, maxAgeHours }: Plan) {
  const differing = unlike(planDefaults, { window, retries, spreadMinutes, missed, maxAgeHours });
  return { ...differing, ...withoutUsual({ hooks: withoutUsual(hooks), limits: withoutUsual(limits) }) };
}

/** What is not as it is where nothing was said. */
function unlike(usual: Readonly<Record<string, unknown>>, from: object) {
  return Object.fromEntries(Object.entries(from).filter(([key, value]) => !isDeepStrictEqual(value, usual[key])));
}

/** What is left out means the same: nothing, none, no. */
function withoutUsual<T extends object>(from: T): T {
  const usual = (value: unknown) =>
    value === undefined ||
    value === '' ||
    value === 0 ||
    value === false ||
    (typeof value === 'object' && Object.keys(value ?? {}).length === 0);
  return Object.fromEntries(Object.entries(from).filter(([, value]) => !usual(value))) as T;
}
