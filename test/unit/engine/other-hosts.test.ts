// Taking over a vault that another host may still use.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localBackend } from '../../../src/backends/local.ts';
import { openRepository } from '../../../src/repository/repository.ts';
import { saveFile } from '../../../src/repository/unpacked.ts';
import { filesOf, testVault, type Vault } from '../../beds/vault.ts';

const hour = 3600_000;

describe('P7 attaching a vault', () => {
  let root: string;
  let first: Vault;
  let second: Vault;
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'other-hosts-'));
    writeFileSync(join(root, 'file'), 'some content');
    first = testVault(join(root, 'pool'), 'v/a', 'password of the first');
    await first.create('recovery');
    second = testVault(join(root, 'pool'), 'v/a', 'password of the second');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const told = () => second.warnings.map(({ detail }) => detail);
  /** Another host's lock, so old (ms). */
  const lockOf = async (host: string, age: number) => {
    const backend = localBackend({ root: join(root, 'pool'), path: 'v/a' });
    const { state } = await openRepository(backend, 'recovery');
    const lock = { time: new Date(Date.now() - age).toISOString(), exclusive: false, hostname: host, username: 'u', pid: 1 };
    await saveFile(backend, 'locks', Buffer.from(JSON.stringify(lock)), state.cipher, 2);
  };

  it('P7 warns where the newest backup is of another host and fresh', async () => {
    await first.backup(filesOf(join(root, 'file')), { hostname: 'neighbour' });
    expect((await second.attach('recovery')).warnings).toBe(1);
    expect(told()).toEqual([expect.stringMatching(/^the host neighbour made a backup there at 2\d{3}-.*may go on/)]);
  });

  it('P7 warns where another host has a lock, once a host', async () => {
    await first.backup(filesOf(join(root, 'file')), { hostname: 'neighbour' });
    await lockOf('neighbour', 60_000);
    await lockOf('third', 60_000);
    await lockOf('long gone', hour);
    await second.attach('recovery');
    expect(told().sort()).toEqual(['neighbour', 'third'].map((host) => `the host ${host} is working in it now: is it really lost?`));
  });

  it('P7 says nothing of its own backups, of old ones and of an empty vault', async () => {
    await second.attach('recovery');
    await first.backup(filesOf(join(root, 'file')), { hostname: hostname() });
    await lockOf(hostname(), 60_000);
    await second.attach('recovery');
    const wall = { now: () => Date.now() + 72 * hour, boottime: () => performance.now() };
    await first.backup(filesOf(join(root, 'file')), { hostname: 'neighbour' });
    await second.run({ type: 'vault-unlock', ownLocks: [], all: true });
    await testVault(join(root, 'pool'), 'v/a', 'recovery').run(
      { type: 'vault-attach', newPassword: 'password of the third' },
      { repository: { clock: wall }, warn: (warning) => second.warnings.push(warning) },
    );
    expect(told()).toEqual([]);
  });
});
