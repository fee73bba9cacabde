// What may be done with a vault: by its state, type, specification, capacity and resources.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vaultRuleMethods } from '../../../src/agent/methods/vault-rules.ts';
import { vaultMethods } from '../../../src/agent/methods/vaults.ts';
import { startBackup } from '../../../src/agent/start-backup.ts';
import { allows, canAssociate, canChangeSpec, canStart, type VaultOperation } from '../../../src/agent/vault-rules.ts';
import type { Plan, SourceSettings } from '../../../src/model/plan.ts';
import { resourcesOf } from '../../../src/model/resource.ts';
import type { Call } from '../../../src/rpc/handlers.ts';
import type { VaultRow } from '../../../src/state/vaults.ts';
import { type Bed, commandOf, filesOf, gib, mysqlOf, openBed } from './vault-bed.ts';

let bed: Bed;
beforeEach(() => {
  bed = openBed();
});
afterEach(() => bed.state.close());

const call = { caller: { name: 'root', address: 'local' }, signal: new AbortController().signal } satisfies Call;
const code = (wanted: string) => expect.objectContaining({ code: wanted });
const refusal = (work: () => unknown): { code: string; message: string } => {
  try {
    work();
  } catch (error) {
    return error as { code: string; message: string };
  }
  return expect.fail('nothing was refused');
};
const associable =
  (vault: VaultRow, source: SourceSettings, more: Partial<Plan> = {}) =>
  () =>
    canAssociate(bed.state, vault, { ...bed.plan(`p${bed.state.plans.count()}`, vault, source, { associated: false, ...more }) });

describe('resources', () => {
  it('P4 have names that stay the same, however the source is written', () => {
    const s3 = { type: 's3', endpoint: 'https://h/', bucket: 'b', prefix: 'p', region: 'r', addressing: 'path', caPem: '' } as const;
    const names = (source: SourceSettings) => resourcesOf(source);
    expect(names({ kind: 'disk', paths: ['/dev/vdc', '/dev/vdb', '/dev/vdc'] })).toEqual(['disk /dev/vdb', 'disk /dev/vdc']);
    expect(names({ kind: 'server', disks: 'system', exclude: [] })).toEqual(['server']);
    expect(names(filesOf('/root', '/etc'))).toEqual(['files /etc,/root']);
    expect(names(mysqlOf('logical', { host: 'DB' }))).toEqual(names(mysqlOf('incremental', { host: 'db', port: 3306 })));
    expect(names(mysqlOf('logical'))).toEqual(['mysql localhost:3306']);
    expect(names({ kind: 'redis', method: 'logical', server: { socket: '/run/r.sock' } })).toEqual(['redis /run/r.sock']);
    expect(names({ kind: 'bucket', method: 'snapshot', place: s3, versions: false })).toEqual(['bucket https://h/b/p']);
    expect(names(commandOf('a'))).not.toEqual(names(commandOf('b')));
    expect(names({ kind: 'command', named: 'a', fileName: 'f', minBytes: 0 })).not.toEqual(names(commandOf('a')));
  });
});

describe('states', () => {
  it('P4 allow what the guide says (3.1, 3.2, 1.6)', () => {
    const may = (state: VaultRow['state'], ...operations: VaultOperation[]) => operations.map((operation) => allows(state, operation));
    expect(may('available', 'policy', 'associate', 'backup', 'restore', 'expand', 'spec', 'delete', 'delete-backup')).not.toContain(false);
    expect(may('locked', 'policy', 'associate', 'restore')).toEqual([true, true, true]);
    expect(may('locked', 'expand', 'spec', 'delete')).toEqual([false, false, false]);
    expect(may('deleting', 'policy', 'associate', 'backup', 'restore', 'delete-backup', 'expand', 'spec', 'delete')).not.toContain(true);
    expect(may('error', 'delete')).toEqual([true]);
    expect(may('error', 'backup', 'restore', 'associate', 'expand', 'spec', 'policy')).not.toContain(true);
  });

  it('P4 a vault is locked while it grows, and available again whatever comes of it, also after the agent died', async () => {
    const vault = bed.vault('v', bed.pool('p'));
    const methods = vaultMethods(bed.context, bed.desk);
    const update = async (body: object) => methods.vaultUpdate({ params: { id: 'v' }, body }, call);
    const growing = update({ capacityGb: 200 });
    expect(bed.state.vaults.find('v').state).toBe('locked');
    const meanwhile = [update({ capacityGb: 300 }), update({ spec: 'server' })];
    expect(() => methods.vaultDelete({ params: { id: 'v' } }, call)).toThrow(code('VAULT_STATE'));
    for (const refused of meanwhile) await expect(refused).rejects.toThrow(code('VAULT_STATE'));
    expect(await growing).toMatchObject({ state: 'available', capacityGb: 200 });
    await expect(update({ capacityGb: 199 })).rejects.toThrow('can only be expanded');
    expect(bed.state.vaults.find('v')).toMatchObject({ state: 'available', capacityGb: 200 });
    bed.state.vaults.update(vault.id, { state: 'locked' });
    vaultMethods(bed.context, bed.desk);
    expect(bed.state.vaults.find('v').state).toBe('available');
  });

  it('P4 a vault is renamed under the rules for names', async () => {
    const pool = bed.pool('p');
    bed.vault('v', pool);
    bed.vault('w', pool);
    const { vaultUpdate } = vaultMethods(bed.context, bed.desk);
    const rename = async (name: string) => vaultUpdate({ params: { id: 'v' }, body: { name } }, call);
    await expect(rename('w')).rejects.toThrow(code('ALREADY_EXISTS'));
    await expect(rename('a b')).rejects.toThrow(code('NAME_INVALID'));
    expect(await rename('x'.repeat(64))).toMatchObject({ name: 'x'.repeat(64), path: 'v' });
  });

  it('P4 a vault goes only when no plan is left and nothing is stored into it or read from it', () => {
    const vault = bed.vault('v', bed.pool('p'));
    const plan = bed.plan('etc', vault, filesOf('/etc'), { associated: false });
    const remove = () => vaultMethods(bed.context, bed.desk).vaultDelete({ params: { id: 'v' } }, call);
    expect(remove).toThrow('plan etc (dissociated)');
    bed.state.plans.remove(plan.id);
    const restore = bed.desk.submit({ type: 'restore', name: 'r', request: { type: 'attended' }, vaultId: vault.id });
    expect(remove).toThrow(`restore task ${restore.id}`);
    bed.state.tasks.update(restore.id, { state: 'done' });
    expect(remove()).toMatchObject({ type: 'vault-delete' });
    expect(remove).toThrow(code('VAULT_STATE'));
  });
});

describe('associating', () => {
  it('P4 holds each type of vault to its kinds of backups, and copies to no plan', () => {
    const pool = bed.pool('p');
    const sources: readonly SourceSettings[] = [
      { kind: 'server', disks: 'all', exclude: [] },
      mysqlOf('logical'),
      commandOf('x'),
      { kind: 'disk', paths: ['/dev/none'] },
      filesOf('/f'),
    ];
    const taken = (type: VaultRow['type']) => {
      const vault = bed.vault(`v-${type}`, pool, { type, capacityGb: 1_000_000 });
      return sources
        .filter((source) => {
          try {
            associable(vault, source)();
            return true;
          } catch (error) {
            expect(error).toEqual(code('VAULT_TYPE'));
            return false;
          }
        })
        .map(({ kind }) => kind);
    };
    expect(taken('server')).toEqual(['server', 'mysql', 'command']);
    expect(taken('disk')).toEqual(['disk']);
    expect(taken('file')).toEqual(['files']);
    expect(taken('any')).toHaveLength(sources.length);
    const { message } = refusal(associable(bed.vault('copies', pool, { protection: 'replication' }), filesOf('/g')));
    expect(message).toBe('the vault copies is for copies of backups, not for files');
  });

  it('P4 keeps what freezes applications out of a server vault, whose specification changes once', async () => {
    const vault = bed.vault('v', bed.pool('p'), { spec: 'server' });
    const frozen = { consistency: { freeze: true, otherwise: 'fail', allowInconsistent: false, freezeLimit: 60 } } as const;
    expect(associable(vault, filesOf('/a'), frozen)).toThrow(code('VAULT_SPEC'));
    expect(associable(vault, mysqlOf('snapshot'))).toThrow(code('VAULT_SPEC'));
    expect(associable(vault, filesOf('/a'))).not.toThrow();
    const { vaultUpdate } = vaultMethods(bed.context, bed.desk);
    const spec = async (wanted: VaultRow['spec']) => vaultUpdate({ params: { id: 'v' }, body: { spec: wanted } }, call);
    expect(await spec('application-consistent')).toMatchObject({ spec: 'application-consistent' });
    await expect(spec('server')).rejects.toThrow(code('VAULT_SPEC_FINAL'));
    expect(associable(bed.state.vaults.find('v'), filesOf('/a'), frozen)).not.toThrow();
    expect(() => canChangeSpec({ ...vault, state: 'locked' }, 'application-consistent')).toThrow(code('VAULT_STATE'));
  });

  it('P4 B15 takes 256 resources, each once, and no more', () => {
    const vault = bed.vault('v', bed.pool('p'));
    for (let n = 0; n < 255; n++) bed.plan(`f${n}`, vault, filesOf(`/${n}`));
    bed.plan('again', vault, filesOf('/7'));
    expect(associable(vault, filesOf('/255'))).not.toThrow();
    const two = refusal(associable(vault, { kind: 'disk', paths: ['/dev/none1', '/dev/none2'] }));
    expect(two.code).toBe('QUOTA_EXCEEDED');
    expect(two.message).toContain('256 resources in the vault v');
  });

  it('P4 leaves a resource in one vault only', () => {
    const pool = bed.pool('p');
    const [one, two] = [bed.vault('one', pool), bed.vault('two', pool)];
    const first = bed.plan('first', one, { kind: 'disk', paths: ['/dev/none1', '/dev/none2'] });
    const shared = { kind: 'disk', paths: ['/dev/none2'] } as const;
    expect(refusal(associable(two, shared)).message).toBe('disk /dev/none2 is protected in the vault one already (plan first)');
    expect(associable(one, shared)).not.toThrow();
    bed.state.plans.update(first.id, { associated: false });
    expect(associable(two, shared)).not.toThrow();
  });

  it('P4 keeps the total size within the capacity, by disks, images and last backups', async () => {
    const home = mkdtempSync(join(tmpdir(), 'vault-rules-'));
    try {
      const image = join(home, 'disk.img');
      writeFileSync(image, '');
      truncateSync(image, 6 * gib);
      const vault = bed.vault('v', bed.pool('p'), { capacityGb: 10 });
      bed.plan('image', vault, { kind: 'disk', paths: [image] });
      const plan = bed.plan('etc', vault, filesOf('/etc'));
      expect(associable(vault, filesOf('/new'))).not.toThrow();
      bed.finishBackup(startBackup(bed.context, bed.desk, plan, { kind: 'manual' }).id, 4 * gib, 1);
      const methods = vaultRuleMethods(bed.context, bed.desk, bed.deletions);
      const list = () => methods.vaultResources({ params: { id: 'v' } }, call);
      expect(await list()).toMatchObject({
        used: 2,
        total: 256,
        associatedBytes: 10 * gib,
        items: [
          { backups: 1, name: 'files /etc' },
          { sizeBytes: 6 * gib, since: null },
        ],
      });
      const other = bed.vault('w', bed.state.pools.find('p'));
      const small = bed.plan('small', other, filesOf('/small'));
      bed.finishBackup(startBackup(bed.context, bed.desk, small, { kind: 'manual' }).id, 1, 1);
      const associate = async () => methods.vaultAssociate({ params: { id: 'v' }, body: { plan: 'small' } }, call);
      await expect(associate()).rejects.toThrow('with the vault v is 11 GB, more than its capacity of 10 GB');
      truncateSync(image, 20 * gib);
      const { vaultUpdate } = vaultMethods(bed.context, bed.desk);
      const expand = async (capacityGb: number) => vaultUpdate({ params: { id: 'v' }, body: { capacityGb } }, call);
      await expect(expand(20)).rejects.toThrow(code('VAULT_TOO_SMALL'));
      expect(await expand(25)).toMatchObject({ capacityGb: 25, state: 'available' });
      expect(await associate()).toMatchObject({ vaultName: 'v' });
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  it('P4 moves a plan with its next run a full one, and leaves its old backups where they are', async () => {
    const pool = bed.pool('p');
    const [one, two] = [bed.vault('one', pool), bed.vault('two', pool)];
    const plan = bed.plan('etc', one, filesOf('/etc'));
    const { id } = startBackup(bed.context, bed.desk, plan, { kind: 'manual' });
    const { vaultAssociate } = vaultRuleMethods(bed.context, bed.desk, bed.deletions);
    const move = async () => vaultAssociate({ params: { id: 'two' }, body: { plan: 'etc' } }, call);
    await expect(move()).rejects.toThrow(`plan etc is used by backup task ${id}`);
    bed.finishBackup(id, 1, 1);
    expect(await move()).toMatchObject({ vaultName: 'two' });
    expect(bed.state.plans.find('etc')).toMatchObject({ vaultId: two.id, renew: true, associated: true });
    expect(bed.state.backups.where([])).toMatchObject([{ vaultId: one.id, state: 'available' }]);
    const before = bed.state.plans.find('etc').updatedAt;
    bed.pass(1000);
    await move();
    expect(bed.state.plans.find('etc').updatedAt).toBe(before);
  });
});

describe('dissociating', () => {
  const dissociate = (vault = 'v', plan = 'etc') =>
    vaultRuleMethods(bed.context, bed.desk, bed.deletions).vaultDissociate({ params: { id: vault, plan } }, call);

  it('P4 deletes all backups of the plan in that vault, which can be taken back for a day', () => {
    const vault = bed.vault('v', bed.pool('p'));
    const [plan, other] = [bed.plan('etc', vault, filesOf('/etc')), bed.plan('other', vault, filesOf('/other'))];
    const run = (of: Plan, kind: 'manual' | 'auto') => startBackup(bed.context, bed.desk, of, { kind }).id;
    bed.finishBackup(run(plan, 'manual'), 1, 1);
    bed.finishBackup(run(plan, 'auto'), 1, 1);
    bed.finishBackup(run(other, 'auto'), 1, 1);
    const failed = run(plan, 'manual');
    bed.fail(failed, { code: 'TASK_DIED', detail: 'x', hint: 'x', retry: 'later', exit: 1 });
    expect(dissociate()).toMatchObject({ planName: 'etc', vaultName: 'v', deleted: 3 });
    const left = bed.state.backups.where([]).map(({ planName, state, deleteAt }) => [planName, state, deleteAt]);
    const dayLater = bed.now() + 24 * 3600 * 1000;
    expect(left).toHaveLength(3);
    expect(left).toEqual(
      expect.arrayContaining([
        ['etc', 'deleting', dayLater],
        ['other', 'available', null],
      ]),
    );
    expect(bed.submitted.some(({ type }) => type === 'forget')).toBe(false);
    expect(() => startBackup(bed.context, bed.desk, bed.state.plans.find('etc'), { kind: 'manual' })).toThrow(code('PLAN_DISSOCIATED'));
    expect(() => dissociate()).toThrow(code('PLAN_DISSOCIATED'));
    bed.pass(24 * 3600 * 1000);
    bed.deletions.sweep();
    expect(bed.submitted.at(-1)).toMatchObject({ type: 'forget', request: { records: { length: 2 } } });
  });

  it('P4 waits for what is made or restored, and for plans that build on it', () => {
    const vault = bed.vault('v', bed.pool('p'));
    const plan = bed.plan('etc', vault, mysqlOf('logical'));
    const { id } = startBackup(bed.context, bed.desk, plan, { kind: 'manual' });
    expect(() => dissociate()).toThrow(code('IN_USE'));
    bed.finishBackup(id, 1, 1);
    const [backup] = bed.state.backups.where([]);
    bed.state.backups.update(backup?.id ?? '', { state: 'restoring' });
    expect(() => dissociate()).toThrow(code('BACKUP_STATE'));
    bed.state.backups.update(backup?.id ?? '', { state: 'available' });
    const log = bed.plan('log', vault, mysqlOf('incremental', {}, plan.id));
    expect(() => dissociate()).toThrow('the plan log');
    bed.state.plans.remove(log.id);
    bed.vault('w', bed.state.pools.find('p'));
    expect(() => dissociate('w')).toThrow(code('NOT_FOUND'));
    expect(bed.state.backups.where([])).toMatchObject([{ state: 'available' }]);
    expect(dissociate()).toMatchObject({ deleted: 1 });
  });
});

describe('full vaults and quotas', () => {
  it('P5 lets a backup start while no more than the capacity is used, and no other after it (13.3.4)', () => {
    const vault = bed.vault('v', bed.pool('p'), { capacityGb: 10 });
    const used = (usedBytes: number) => () => canStart({ ...vault, usedBytes });
    expect(used(10 * gib)).not.toThrow();
    expect(refusal(used(10 * gib + 1)).message).toBe('the vault v holds 10.01 of 10 GB');
    expect(() => canStart({ ...vault, state: 'error' })).toThrow(code('VAULT_STATE'));
    const plan = bed.plan('etc', vault, filesOf('/etc'));
    const run = () => startBackup(bed.context, bed.desk, plan, { kind: 'manual' }).id;
    bed.finishBackup(run(), 1, 10 * gib);
    bed.finishBackup(run(), 1, 30 * gib);
    expect(run).toThrow(code('VAULT_FULL'));
    expect(bed.state.backups.where([]).map(({ state }) => state)).toEqual(['available', 'available']);
  });

  it('B15 shows what is used of what there may be', () => {
    const pool = bed.pool('p');
    const vault = bed.vault('v', pool);
    bed.plan('a', vault, filesOf('/a'));
    bed.plan('b', vault, filesOf('/a'));
    bed.plan('gone', vault, filesOf('/c'), { associated: false });
    const quotas = vaultRuleMethods(bed.context, bed.desk, bed.deletions).quotas({}, call);
    expect(quotas).toEqual({
      backupPolicies: { used: 0, total: 32 },
      replicationPolicies: { used: 0, total: 32 },
      vaults: [{ id: vault.id, name: 'v', resources: { used: 1, total: 256 } }],
    });
  });

  it('P4 lists vaults by name, ID, state and type', () => {
    const pool = bed.pool('p');
    const one = bed.vault('one', pool, { type: 'disk' });
    bed.vault('two', pool, { state: 'error', protection: 'replication' });
    const { vaultList } = vaultMethods(bed.context, bed.desk);
    const names = async (query: object) => (await vaultList({ query }, call)).items.map(({ name }) => name);
    return Promise.all([
      expect(names({ type: 'disk' })).resolves.toEqual(['one']),
      expect(names({ state: 'error' })).resolves.toEqual(['two']),
      expect(names({ protection: 'replication' })).resolves.toEqual(['two']),
      expect(names({ id: one.id.slice(0, 6) })).resolves.toEqual(['one']),
      expect(names({ name: 'W' })).resolves.toEqual(['two']),
    ]);
  });
});
