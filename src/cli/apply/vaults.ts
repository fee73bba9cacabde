// Vaults as a file asks for them. The key of a new one is written to the file that is named; without a place for the key none is made.
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, fail, isCode } from '../../base/errors.ts';
import type { Vault } from '../../rpc/schemas-vaults.ts';
import { reserveKeyFile } from '../files.ts';
import { type Entry, judged, type Wanted } from './read.ts';
import type { FileVault } from './schema.ts';
import { type Circumstances, namesOf, referred, type Step } from './step.ts';

export function vaultSteps(wanted: Wanted, circumstances: Circumstances): readonly Step[] {
  const { known, rules } = circumstances;
  const keyFiles = new Set<string>();
  return wanted.vaults.map((entry) => {
    const { name, description = '', pool } = entry.value;
    judged(entry, '/name', () => rules.name(name));
    judged(entry, '/description', () => rules.description(description));
    const before = known.vaults.find((vault) => vault.name === name);
    const inFile = wanted.pools.map(({ value }) => value.name);
    if (before) {
      const meant = pool === undefined ? { name: before.poolName } : referred(pool, inFile, known.pools);
      if (typeof meant === 'string' || meant.name !== before.poolName)
        entry.wrong('/pool', `the vault ${name} lies in the pool ${before.poolName}, and a vault does not move: choose another name`);
      return changing(entry, before);
    }
    const meant = referred(pool, inFile, known.pools);
    if (meant === 'several') return entry.wrong('', `there are several pools: say in which one the vault ${name} is to lie`);
    if (meant === 'none')
      return entry.wrong('/pool', `there is no pool ${pool ?? ''} for the vault ${name}, neither here nor in the agent`);
    return creation(entry, meant.name, keyFileFor(entry, wanted, keyFiles));
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

function creation(entry: Entry<FileVault>, pool: string, path: string): Step {
  const { recoveryKeyFile: _file, ...rest } = entry.value;
  return {
    kind: 'vault',
    name: rest.name,
    action: 'created',
    changes: [],
    run: async (client) => {
      const keyFile = reserveKeyFile(path);
      try {
        const { recoveryKey } = await client.call('vaultCreate', { body: { ...rest, pool } });
        keyFile.keep(recoveryKey);
      } catch (error) {
        if (!isCode(error, 'FILE_UNWRITABLE')) keyFile.drop();
        throw error;
      }
      return `recovery key of the vault ${rest.name} written to ${path}: keep a copy away from this host`;
    },
  };
}

function changing(entry: Entry<FileVault>, before: Vault): Step {
  const { name, description, capacityGb } = entry.value;
  if (capacityGb !== undefined && capacityGb < before.capacityGb)
    entry.wrong('/capacityGb', `a vault can only be expanded: ${name} has ${before.capacityGb} GB`);
  const changes = {
    ...(description !== undefined && description !== before.description && { description }),
    ...(capacityGb !== undefined && capacityGb !== before.capacityGb && { capacityGb }),
  };
  const changed = namesOf(changes);
  return {
    kind: 'vault',
    name,
    action: changed.length > 0 ? 'changed' : 'unchanged',
    changes: changed,
    run: async (client) => {
      if (changed.length > 0) await client.call('vaultUpdate', { params: { id: before.id }, body: changes });
      return undefined;
    },
  };
}
