// Vaults as a file asks for them. The key of a new one is written to the file that is named; without a place for the key none is made.
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, fail, isCode } from '../../base/errors.ts';
import { type Vault, VaultUpdate } from '../../rpc/schemas-vaults.ts';
import { reserveKeyFile } from '../files.ts';
import { bodyOf, type Change, differences } from './change.ts';
import { policyNamed } from './policies.ts';
import { type Entry, judged, type Wanted } from './read.ts';
import type { FileVault } from './schema.ts';
import { type Circumstances, referred, type Step } from './step.ts';

export function vaultSteps(wanted: Wanted, circumstances: Circumstances): readonly Step[] {
  const { known, rules } = circumstances;
  const keyFiles = new Set<string>();
  return wanted.vaults.map((entry) => {
    const { name, description = '', pool } = entry.value;
    judged(entry, '/name', () => rules.name(name));
    judged(entry, '/description', () => rules.description(description));
    const before = known.vaults.find((vault) => vault.name === name);
    const inFile = wanted.pools.map(({ value }) => value.name);
    const policy = policyNamed(entry, wanted, circumstances);
    if (before) {
      const meant = pool === undefined ? { name: before.poolName } : referred(pool, inFile, known.pools);
      if (typeof meant === 'string' || meant.name !== before.poolName)
        entry.wrong('/pool', `the vault ${name} lies in the pool ${before.poolName}, and a vault does not move: choose another name`);
      return changing(entry, before, policy);
    }
    const meant = referred(pool, inFile, known.pools);
    if (meant === 'several') return entry.wrong('', `there are several pools: say in which one the vault ${name} is to lie`);
    if (meant === 'none')
      return entry.wrong('/pool', `there is no pool ${pool ?? ''} for the vault ${name}, neither here nor in the agent`);
    return creation(entry, meant.name, policy ?? null, keyFileFor(entry, wanted, keyFiles));
  });
}

function keyFileFor(entry: Entry<FileVault>, wanted: Wanted, others: Set<string>): string {
  const { name, recoveryKeyFile } = entry.value;
  if (recoveryKeyFile === undefined)
    return entry.wrong('', `the vault ${name} is to be created: recoveryKeyFile is missing, and its key is told only once`);
  const path = wanted.path(recoveryKeyFile);
  if (others.has(path)) entry.wrong('/recoveryKeyFile', `${path} is to hold the key of another vault`);
  others.add(path);
  if (existsSync(path)) fail('FILE_EXISTS', { path });
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (cause) {
    fail('FILE_UNWRITABLE', { path, detail: errnoOf(cause) ?? 'no right to write there' }, { cause });
  }
  return path;
}

const usesOf = (pool: string, policy: string | null) => [`pool ${pool}`, ...(policy === null ? [] : [`policy ${policy}`])];

function creation(entry: Entry<FileVault>, pool: string, policy: string | null, path: string): Step {
  const { recoveryKeyFile: _file, policy: _policy, ...rest } = entry.value;
  return {
    kind: 'vault',
    name: rest.name,
    action: 'created',
    changes: [],
    uses: usesOf(pool, policy),
    run: async (client, tell) => {
      const keyFile = reserveKeyFile(path);
      try {
        const { recoveryKey } = await client.call('vaultCreate', { body: { ...rest, pool } });
        keyFile.keep(recoveryKey);
      } catch (error) {
        if (!isCode(error, 'FILE_UNWRITABLE')) keyFile.drop();
        throw error;
      }
      tell(`recovery key of the vault ${rest.name} written to ${path}: keep a copy away from this host`);
      if (policy !== null) await client.call('policyApply', { params: { id: rest.name }, body: { policy } });
    },
  };
}

function changing(entry: Entry<FileVault>, before: Vault, policy: string | null | undefined): Step {
  const { name } = entry.value;
  const own = ownChanges(entry, before);
  const changes = [...own, ...differences({ policy: before.policyName }, { policy })];
  const repolicied = changes.length > own.length;
  const { state } = before;
  const grows = own.some(({ field }) => field !== 'description');
  if ((grows && state !== 'available') || (repolicied && state !== 'available' && state !== 'locked'))
    fail('VAULT_STATE', { vault: name, state });
  return {
    kind: 'vault',
    name,
    action: changes.length > 0 ? 'changed' : 'unchanged',
    changes,
    uses: usesOf(before.poolName, policy === undefined ? before.policyName : policy),
    run: async (client) => {
      const params = { id: before.id };
      if (own.length > 0) await client.call('vaultUpdate', { params, body: bodyOf(own) });
      if (!repolicied) return;
      if (policy) await client.call('policyApply', { params, body: { policy } });
      else await client.call('policyRemove', { params });
    },
  };
}

/** All but the policy. What cannot be changed is refused here, before anything is done. */
function ownChanges(entry: Entry<FileVault>, before: Vault): readonly Change[] {
  const { name, pool: _pool, policy: _policy, recoveryKeyFile: _file, ...wish } = entry.value;
  const { capacityGb, spec } = wish;
  if (capacityGb !== undefined && capacityGb < before.capacityGb)
    entry.wrong('/capacityGb', `a vault can only be expanded: ${name} has ${before.capacityGb} GB`);
  if (spec === 'server' && before.spec === 'application-consistent')
    entry.wrong('/spec', `the vault ${name} is application-consistent and stays so`);
  const changes = differences(before, wish);
  const fixed = changes.find(({ field }) => !Object.hasOwn(VaultUpdate.properties, field));
  if (fixed)
    entry.wrong(`/${fixed.field}`, `the ${fixed.field} of a vault stays as it was made: that of ${name} is ${String(fixed.before)}`);
  return changes;
}
