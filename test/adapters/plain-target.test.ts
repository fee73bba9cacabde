// A target that root allowed is opened part by part: a link that was put into its path since then leads nowhere.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settleTarget } from '../../src/engine/target-place.ts';
import type { RecordInfo, RestoreTarget } from '../../src/model/task.ts';
import { writeDiskImage } from '../beds/disk-image.ts';
import { filesOf, intoFolder, testVault, type Vault } from '../beds/vault.ts';

let top: string;
let vault: Vault;
let files: RecordInfo;
let disk: RecordInfo;

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'plain-target-'));
  vault = testVault(join(top, 'pool'), 'v/a', 'own password');
  await vault.create('recovery key');
  mkdirSync(join(top, 'data'));
  writeFileSync(join(top, 'data/file'), 'content');
  files = await vault.backup(filesOf(join(top, 'data')));
  writeDiskImage(join(top, 'disk.img'), 'plain');
  disk = await vault.backup({ kind: 'disk', paths: [join(top, 'disk.img')] });
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

const kinds = {
  files: (place: string) => ({ record: files, target: intoFolder(join(place, 'new')) }),
  disk: (place: string) => ({ record: disk, target: { kind: 'disk', map: { [join(top, 'disk.img')]: join(place, 'new') }, verify: true } }),
} as const;

describe.each(Object.entries(kinds))('a restore of %s', (kind, made) => {
  const places = (name: string) => [join(top, `${kind}-${name}`), join(top, `${kind}-${name}-elsewhere`)] as const;
  const plain = (place: string) => {
    const { record, target } = made(place);
    return { record: record.id, target: { ...settleTarget(target as Parameters<typeof settleTarget>[0]), plain: true } as RestoreTarget };
  };

  it('B8 goes where it was allowed to go', async () => {
    const [place] = places('kept');
    mkdirSync(place);
    const { record, target } = plain(place);
    await vault.restore(record, target);
    if (kind === 'files') expect(readFileSync(join(place, 'new', top, 'data/file'), 'utf8')).toBe('content');
    else expect(readFileSync(join(place, 'new')).equals(readFileSync(join(top, 'disk.img')))).toBe(true);
    expect(existsSync(join(place, 'new.stillpoint-restore-incomplete'))).toBe(false);
  });

  it('B8 follows no link that was put in its way after it was allowed', async () => {
    const [place, elsewhere] = places('moved');
    mkdirSync(place);
    mkdirSync(elsewhere);
    const { record, target } = plain(place);
    rmSync(place, { recursive: true });
    symlinkSync(elsewhere, place);
    await expect(vault.restore(record, target)).rejects.toMatchObject({ code: 'TARGET_FAILED' });
    expect(existsSync(join(elsewhere, 'new'))).toBe(false);
    expect(existsSync(join(elsewhere, 'new.stillpoint-restore-incomplete'))).toBe(false);
  });

  it('B8 follows no link that is the target itself', async () => {
    const [place, elsewhere] = places('last');
    mkdirSync(place, { recursive: true });
    writeDiskImage(elsewhere, 'of somebody else'); // large enough to be restored to
    const before = readFileSync(elsewhere);
    const { record, target } = plain(place);
    symlinkSync(elsewhere, join(place, 'new'));
    await expect(vault.restore(record, target)).rejects.toMatchObject({ code: 'TARGET_FAILED' });
    expect(readFileSync(elsewhere).equals(before)).toBe(true);
  });
});
