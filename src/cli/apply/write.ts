// What the agent has, as a file for `agentcli apply`: the reverse of reading one. Secrets are left out; a comment says where a file has to be named.
import { Document, type YAMLMap } from 'yaml';
import type { Plan } from '../../rpc/schemas-plans.ts';
import type { Pool } from '../../rpc/schemas-pools.ts';
import type { Vault } from '../../rpc/schemas-vaults.ts';
import type { Known } from './step.ts';

/** The same as an object, for --json. */
export function wholeFile({ pools, vaults, plans }: Known) {
  return { pools: pools.map(poolItem), vaults: vaults.map(vaultItem), plans: plans.map((plan) => planItem(plan, plans)) };
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
  known.plans.forEach(({ name, source }, i) => {
    if (source.kind === 'bucket') hint(document, ['plans', i, 'source'], `credentialsFile: ${name}.ini`);
    if ('server' in source && source.server.user !== undefined)
      hint(document, ['plans', i, 'source', 'server'], `passwordFile: ${name}.pw`);
    const consistency = document.getIn(['plans', i, 'consistency'], true) as YAMLMap;
    consistency.flow = true;
  });
  return document.toString({ lineWidth: 0 });
}

/** A line at the end of a map that is there once its # is taken away. */
function hint(document: Document, path: readonly (string | number)[], line: string): void {
  (document.getIn(path, true) as YAMLMap).comment = ` ${line}`;
}

function poolItem({ name, remark, place, bandwidth }: Pool) {
  return withoutUsual({ name, remark, place: withoutUsual(place), bandwidth, create: true });
}

function vaultItem({ name, description, poolName, capacityGb }: Vault) {
  return withoutUsual({ name, description, pool: poolName, capacityGb });
}

function planItem({ name, description, vaultName, source, consistency }: Plan, all: readonly Plan[]) {
  const base = 'base' in source ? all.find(({ id }) => id === source.base)?.name : undefined;
  const server = 'server' in source ? { server: withoutUsual(source.server) } : {};
  const place = 'place' in source ? { place: withoutUsual(source.place) } : {};
  const read = withoutUsual({ ...source, ...server, ...place, ...(base !== undefined && { base }) });
  return withoutUsual({ name, description, vault: vaultName, source: read, consistency });
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
