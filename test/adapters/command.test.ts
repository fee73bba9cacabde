// Dumps: the output of real commands, whole or not at all.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failure, type StillpointError } from '../../src/base/errors.ts';
import type { CommandSource } from '../../src/model/plan.ts';
import type { ContentReader } from '../../src/ports/target.ts';
import { feedCommand } from '../../src/sources/command/target.ts';
import { backupTask, testVault, type Vault } from '../beds/vault.ts';

let root: string;
let vault: Vault;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'command-test-'));
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const command = (what: Partial<CommandSource>): CommandSource => ({ kind: 'command', fileName: 'dump.sql', minBytes: 0, ...what });

/** The message of the refusal; and no backup is there. */
async function refusal(source: CommandSource): Promise<string> {
  const before = (await vault.records()).length;
  const said = await vault.backup(source).then(
    () => 'none',
    (error: StillpointError) => `${error.code} ${error.message}`,
  );
  expect(await vault.records()).toHaveLength(before);
  return said;
}

describe('dumps by command', () => {
  it('S10 an argument list and a bash line are stored as they print', async () => {
    const plain = await vault.backup(command({ argv: ['printf', '%s\n', 'a b', '$HOME', '; false'] }));
    expect((await vault.cat(plain.id, '/dump.sql')).toString()).toBe('a b\n$HOME\n; false\n');
    const line = await vault.backup(command({ shell: 'seq 1 300000 | tac' }));
    expect((await vault.cat(line.id, '/dump.sql')).toString().split('\n')[0]).toBe('300000');
    expect(line.paths).toEqual(['/dump.sql']);
    expect((await vault.check(true)).errors).toEqual([]);
  });

  it('S10 the same dump again adds next to nothing', async () => {
    const dump = command({ shell: 'seq 1 2000000' });
    await vault.backup(dump);
    expect((await vault.backup(dump)).summary!.dataAdded).toBeLessThan(5000);
  });

  it('S10 a failure anywhere fails the backup', async () => {
    expect(await refusal(command({ argv: ['false'] }))).toMatch(/SOURCE_COMMAND.*exit code 1/);
    expect(await refusal(command({ shell: 'echo data; exit 3' }))).toMatch(/exit code 3/);
    expect(await refusal(command({ shell: '(echo data; exit 4) | cat' }))).toMatch(/exit code 4/);
    expect(await refusal(command({ shell: 'echo data; kill -9 $$' }))).toMatch(/SIGKILL/);
    expect(await refusal(command({ argv: ['/no/such/program'] }))).toMatch(/ENOENT/);
    expect(await refusal(command({ shell: 'echo data; echo "access denied for dumper" >&2; exit 1' }))).toMatch(/access denied for dumper/);
  });

  it('S10 an empty, short or cut output is no backup', async () => {
    expect(await refusal(command({ argv: ['true'] }))).toMatch(/printed nothing/);
    expect(await refusal(command({ shell: 'echo short', minBytes: 1000 }))).toMatch(/printed 6 bytes/);
    expect(await refusal(command({ shell: 'seq 1 100000', expectTail: 'Dump completed' }))).toMatch(/expect-tail/);
    const whole = await vault.backup(
      command({ shell: 'seq 1 100000; echo "-- Dump completed"', expectTail: 'Dump completed\\s*$', minBytes: 1000 }),
    );
    expect(whole.summary!.totalBytes).toBeGreaterThan(500_000);
  });

  it('S10 cancelling ends the command and all that it started', async () => {
    const stop = new AbortController();
    const mark = `stillpoint-cancel-${process.pid}`;
    const source = command({ shell: `exec -a ${mark} sleep 300 & echo started; wait` });
    const running = vault.run(backupTask(source), { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('cancelled')), 1500);
    await expect(running).rejects.toThrow();
    const found = execFileSync('bash', ['-c', `pgrep -f '^${mark}' || true`], { encoding: 'utf8' });
    expect(found).toBe('');
  });

  it('S10 goes back into a load command, which must succeed', async () => {
    const dump = await vault.backup(command({ shell: 'seq 1 200000' }));
    const out = join(root, 'loaded');
    const counts = await vault.restore(dump.id, { kind: 'command', shell: `cat > '${out}'` });
    expect(readFileSync(out, 'utf8').trimEnd().split('\n')).toHaveLength(200_000);
    expect(counts.bytesWritten).toBe(readFileSync(out).length);
    const failing = vault.restore(dump.id, { kind: 'command', shell: 'head -c 10 >/dev/null; echo "table exists" >&2; exit 7' });
    await expect(failing).rejects.toMatchObject({ code: 'TARGET_FAILED', message: expect.stringMatching(/ended with 7: table exists/) });
  });

  it.each(['is cancelled', 'meets a damaged block'])(
    'S10 a load command takes no dump for whole that breaks off because the restore %s',
    async (how) => {
      const stop = new AbortController();
      const stream = async function* () {
        yield Buffer.alloc(1 << 20);
        await sleep(300); // the command has read what there is, and waits
        if (how === 'is cancelled') setTimeout(() => stop.abort(new Error('cancelled')), 100);
        else throw failure('REPO_DAMAGED', { kind: 'block', name: 'b', detail: 'flipped' });
        await sleep(500);
        stop.signal.throwIfAborted();
      };
      const line = { shell: `cd '${root}' && cat > part && mv part whole` };
      const restoring = feedCommand(line, [], { stream } as unknown as ContentReader, stop.signal);
      await expect(restoring).rejects.toThrow(how === 'is cancelled' ? 'cancelled' : 'flipped');
      await sleep(300);
      expect(existsSync(join(root, 'part'))).toBe(true);
      expect(existsSync(join(root, 'whole'))).toBe(false);
    },
  );
});
