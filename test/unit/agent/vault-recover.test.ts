// What the agent does when a vault is to become what it was, and what it knows of locks without asking.
import { expect, it } from 'vitest';
import { sealPassword, vaultAccess } from '../../../src/agent/access.ts';
import { heldUntil, needRemovable } from '../../../src/agent/immutable.ts';
import { recoverVault } from '../../../src/agent/methods/vault-recover.ts';
import type { S3Place } from '../../../src/model/pool.ts';
import type { BackupRow } from '../../../src/state/backups.ts';
import { openBed } from './vault-bed.ts';

const bucket: S3Place = {
  type: 's3',
  endpoint: 'https://s3.example.org',
  bucket: 'b',
  prefix: '',
  region: '',
  addressing: 'path',
  caPem: '',
};
const day = 86_400_000;

function bedWithVault() {
  const bed = openBed();
  const { id } = bed.vault('main', bed.pool('store', bucket), { immutableDays: 30, state: 'error' });
  bed.state.vaults.update(id, { password: sealPassword(bed.context, id, 'secret') });
  return { ...bed, main: bed.state.vaults.find(id) };
}

it('P8 recovering starts a task with what opens the vault, and reads the catalogue again when it has ended well', async () => {
  const { context, desk, main, submitted, now, finish } = bedWithVault();
  const at = now() - 5000;
  const { task } = await recoverVault(context, desk, 'main', { at });
  expect(task).toMatchObject({ type: 'vault-recover', vaultName: 'main' });
  expect(submitted[0]?.spec?.()).toMatchObject({ type: 'vault-recover', at, dryRun: false, vault: { immutableDays: 30, path: 'main' } });
  expect(vaultAccess(context, main)).toMatchObject({ immutableDays: 30 });
  await Promise.resolve();
  finish(task!.id);
  await new Promise(setImmediate);
  expect(submitted.map(({ type }) => type)).toEqual(['vault-recover', 'vault-scan']);
});

it('P8 a rehearsal answers what was there and starts nothing more; a moment to come and a directory are refused', async () => {
  const { context, desk, submitted, now, running, finish, vault, pool } = bedWithVault();
  const answer = recoverVault(context, desk, 'main', { at: now(), dryRun: true });
  await Promise.resolve();
  const recovered = { putBack: 3, bytes: 10, hidden: 1, kept: 0, dryRun: true };
  finish(running()[0]!.id, { records: [], recovered });
  expect(await answer).toEqual({ at: now(), task: null, records: [], recovered });
  expect(submitted).toHaveLength(1);
  await expect(recoverVault(context, desk, 'main', { at: now() + 1 })).rejects.toMatchObject({ code: 'USAGE' });
  vault('disk', pool('directory'));
  await expect(recoverVault(context, desk, 'disk', { at: now() })).rejects.toMatchObject({ code: 'POOL_NO_OBJECT_LOCK' });
});

it('P8 a backup in an immutable vault is held for its days from its end', () => {
  const { main } = bedWithVault();
  const backup = { id: 'abc', name: 'b', time: 1000, endedAt: 2000 } as BackupRow;
  expect(heldUntil(main, backup)).toBe(2000 + 30 * day);
  expect(() => needRemovable(main, backup, 1999 + 30 * day)).toThrowError(expect.objectContaining({ code: 'VAULT_IMMUTABLE' }));
  needRemovable(main, backup, 2000 + 30 * day);
  needRemovable({ ...main, immutableDays: 0 }, backup, 2000);
});
