// Making, opening and looking after vaults.
import { fail, isCode } from '../base/errors.ts';
import { backgroundLane } from '../base/lane.ts';
import type { TaskResult, TaskSpec } from '../model/task.ts';
import type { Backend } from '../ports/backend.ts';
import { type RecordFile, type Repository, recordInfo } from '../repository/repository.ts';
import { agentConfigOf } from './agent-config.ts';
import type { EngineDeps } from './deps.ts';
import { otherHosts } from './other-hosts.ts';

type Spec<T extends TaskSpec['type']> = Extract<TaskSpec, { type: T }>;

export async function createVault(spec: Spec<'vault-create'>, deps: EngineDeps): Promise<TaskResult> {
  const vault = await deps.createVault(spec.vault, spec.recoveryKey);
  try {
    return { repositoryId: vault.id, keys: await vault.keys.list(), storedBytes: 0, warnings: 0 };
  } finally {
    await vault.close();
  }
}

/** Opens a repository with a recovery key, gives this agent a key of its own, and tells what is in it and who else may write there. */
export async function attachVault(spec: Spec<'vault-attach'>, deps: EngineDeps): Promise<TaskResult> {
  const vault = await deps.openVault(spec.vault);
  try {
    const others = await otherHosts(vault, deps.clock.now());
    for (const warning of others) deps.warn(warning);
    const found = await describe(vault, deps);
    const result = { ...found, warnings: found.warnings + others.length };
    await vault.keys.add(spec.newPassword, 'random');
    return { ...result, keys: await vault.keys.list() };
  } finally {
    await vault.close();
  }
}

export async function scanVault(spec: Spec<'vault-scan'>, deps: EngineDeps): Promise<TaskResult> {
  const vault = await deps.openVault(spec.vault);
  try {
    return await describe(vault, deps);
  } finally {
    await vault.close();
  }
}

async function describe(vault: Repository, deps: EngineDeps): Promise<TaskResult> {
  let warnings = 0;
  const warn: EngineDeps['warn'] = (warning) => {
    warnings++;
    deps.warn(warning);
  };
  const lock = await vault.lockToRead(warn);
  try {
    await vault.loadIndex(true);
    await lock.settled;
    const records = await vault.records.list((name) =>
      warn({ item: `record ${name}`, detail: 'it cannot be read; vault check tells more' }),
    );
    const agentConfig = await newestConfig(vault, records, { ...deps, warn });
    return {
      repositoryId: vault.id,
      records: records.map((record) => recordInfo(record.id, record)),
      storedBytes: vault.indexedBytes(),
      warnings,
      ...(agentConfig === undefined ? {} : { agentConfig }),
    };
  } finally {
    await lock.release();
  }
}

async function newestConfig(vault: Repository, records: readonly RecordFile[], deps: EngineDeps): Promise<string | undefined> {
  const reader = vault.reader(deps.signal);
  try {
    for (const record of records.toReversed()) {
      const found = await agentConfigOf(vault, record.tree, reader);
      if (found !== undefined) return found;
    }
    return undefined;
  } catch (error) {
    if (!isCode(error, 'REPO_DAMAGED', 'REPO_BLOB_MISSING', 'BACKEND_NOT_FOUND', 'BACKEND_SHORT')) throw error;
    deps.warn({ item: vault.location, detail: 'the configuration in the newest backup cannot be read' });
    return undefined;
  } finally {
    await reader.close();
  }
}

export async function unlockVault(spec: Spec<'vault-unlock'>, deps: EngineDeps): Promise<TaskResult> {
  const vault = await deps.openVault(spec.vault);
  try {
    return { locks: await vault.unlock({ own: spec.ownLocks, all: spec.all }), warnings: 0 };
  } finally {
    await vault.close();
  }
}

/** Removes everything of this repository and nothing else; config last but for the keys, so that an interrupted deletion can be run again. */
export async function deleteVault(spec: Spec<'vault-delete'>, deps: EngineDeps): Promise<TaskResult> {
  const backend = await deps.openBackend(spec.vault);
  try {
    const isRepository = await backend.stat('config', 'config').then(
      () => true,
      (error) => (isCode(error, 'BACKEND_NOT_FOUND') ? false : fail('INTERNAL', { detail: 'config cannot be read' }, { cause: error })),
    );
    if (isRepository) await refuseWhileLocked(spec, deps);
    await refuseImmutable(backend, deps.signal);
    for (const kind of ['snapshots', 'index', 'data', 'locks', 'config', 'keys'] as const)
      for await (const file of backend.list(kind)) {
        deps.signal.throwIfAborted();
        await backend.remove(kind, file.name);
      }
    await backend.locking?.sweep(deps.signal);
    return { storedBytes: 0, warnings: 0 };
  } finally {
    await backend.close();
  }
}

async function refuseWhileLocked(spec: Spec<'vault-delete'>, deps: EngineDeps): Promise<void> {
  const vault = await deps.openVault(spec.vault);
  const lock = await vault.lock(true);
  await lock.release();
  await vault.close();
}

/** Before anything goes. Throws VAULT_IMMUTABLE with the day when all of it can. */
async function refuseImmutable(backend: Backend, signal: AbortSignal): Promise<void> {
  const { locking } = backend;
  if (!locking) return;
  let until = 0;
  let held = 0;
  const lane = backgroundLane(16);
  for (const kind of ['config', 'keys', 'snapshots', 'index', 'data'] as const)
    for await (const { name } of backend.list(kind))
      lane.add(async () => {
        signal.throwIfAborted();
        const lock = await locking.lockedUntil(kind, name);
        if (lock > 0) held++;
        until = Math.max(until, lock);
      });
  await lane.idle();
  if (held > 0)
    fail('VAULT_IMMUTABLE', { vault: backend.location, until: new Date(until).toISOString(), detail: `${held} files are locked` });
}

/** What the vault held at a moment; unless it is a dry run it is made that again. Throws REPO_NOT_FOUND where there was none then. */
export async function recoverVault(spec: Spec<'vault-recover'>, deps: EngineDeps): Promise<TaskResult> {
  const { vault, at, dryRun } = spec;
  const past = await scanVault({ type: 'vault-scan', vault: { ...vault, at } }, deps);
  const recovered = await deps.recoverVault(spec.vault, at, dryRun);
  return { records: past.records ?? [], recovered, warnings: past.warnings };
}

export async function manageKeys(spec: Spec<'keys'>, deps: EngineDeps): Promise<TaskResult> {
  const vault = await deps.openVault(spec.vault);
  try {
    if (spec.action === 'add') await vault.keys.add(spec.newPassword, 'password');
    if (spec.action === 'remove') await vault.keys.remove(spec.id);
    return { keys: await vault.keys.list(), warnings: 0 };
  } finally {
    await vault.close();
  }
}
