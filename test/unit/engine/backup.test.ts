// What a backup says of itself, and what must not make it a failed one.
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failure } from '../../../src/base/errors.ts';
import type { Backend } from '../../../src/ports/backend.ts';
import { backupTask, filesOf, testVault, type Vault } from '../../beds/vault.ts';
import { flipBit, noise } from '../../beds/vaults.ts';

let root: string;
let vault: Vault;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'engine-backup-'));
  writeFileSync(join(root, 'file'), noise('content', 200_000));
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const backUp = async (
  agentConfig: string,
  more: { readonly full?: boolean; readonly wrapBackend?: (backend: Backend) => Backend } = {},
) => {
  const { full = false, ...context } = more;
  const source = filesOf(join(root, 'file'));
  return (await vault.run({ ...backupTask(source), full, agentConfig }, context)).record!;
};
/** Lines of a diff, but for the times of the directories that the whole machine shares. */
const changes = async (from: string, to: string) =>
  (await vault.diff(from, to)).flatMap(({ path, change }) => (path && !root.startsWith(path) ? [`${change} ${path}`] : []));
const later = () => new Promise((resolve) => setTimeout(resolve, 1100)); // the configuration's time has whole seconds

describe('the configuration of the agent in a backup', () => {
  it('B19 what did not change is the same tree, and nothing counts as changed', async () => {
    const first = await backUp('{"plans":1}');
    await later();
    const second = await backUp('{"plans":1}');
    expect(await changes(first.id, second.id)).toEqual([]);
    expect(second.summary).toMatchObject({ filesNew: 0, filesChanged: 0, filesUnmodified: 2, dataBlobs: 0, totalFiles: 2 });
    const full = await backUp('{"plans":1}', { full: true });
    expect(await changes(first.id, full.id)).toEqual([]);
    expect(full.summary).toMatchObject({ filesNew: 2, filesChanged: 0, filesUnmodified: 0 });
  });

  it('B19 a new one has a new time', async () => {
    const first = await backUp('{"plans":1}');
    await later();
    const second = await backUp('{"plans":2}');
    expect(await changes(first.id, second.id)).toEqual(['U /.stillpoint', 'M /.stillpoint/agent.json']);
    expect(second.summary).toMatchObject({ filesChanged: 1, filesUnmodified: 1 });
    const times = async (id: string) => (await vault.ls(id)).find(({ path }) => path.endsWith('agent.json'))!.mtime;
    expect(await times(first.id)).not.toBe(await times(second.id));
  });
});

describe('a full backup that met damage', () => {
  const packs = () => readdirSync(join(vault.location, 'data'), { recursive: true, encoding: 'utf8' }).filter((name) => name.length > 60);
  const damageData = () => {
    const paths = packs().map((name) => join(vault.location, 'data', name));
    const [largest] = paths.sort((a, b) => statSync(b).size - statSync(a).size);
    flipBit(largest!, 50_000);
    return largest!.split('/').at(-1)!;
  };

  it('B5 stands although the broken packs could not be taken out: that is a warning, and a prune does it', async () => {
    await backUp('{}');
    const broken = damageData();
    let written = false;
    const noMoreLocks = (backend: Backend): Backend => ({
      ...backend,
      save: async (kind, name, bytes) => {
        if (kind === 'locks' && written) throw failure('POOL_FULL', { location: backend.location });
        await backend.save(kind, name, bytes);
        if (kind === 'snapshots') written = true;
      },
    });
    vault.warnings.length = 0;
    const record = await backUp('{}', { full: true, wrapBackend: noMoreLocks });
    expect(written).toBe(true);
    expect(vault.warnings.map(({ detail }) => detail)).toEqual([
      '1 damaged blocks were found and are stored again',
      expect.stringMatching(/^the damaged packs stay until vault prune --max-unused 0: no space left/),
    ]);
    expect((await vault.records()).map(({ id }) => id)).toContain(record.id);
    expect(packs().join()).toContain(broken);
    expect(await vault.cat(record.id, join(root, 'file'))).toEqual(noise('content', 200_000));

    await vault.prune(0);
    expect(packs().join()).not.toContain(broken);
    expect((await vault.check()).errors).toEqual([]);
  });
});
