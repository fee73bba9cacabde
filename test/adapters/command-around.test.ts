// Commands before and after a load: what runs, in which order, and what does not run any more when something fails.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CommandTarget, RecordInfo } from '../../src/model/task.ts';
import { testVault, type Vault } from '../beds/vault.ts';

let root: string;
let vault: Vault;
let dump: RecordInfo;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'command-around-'));
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
  dump = await vault.backup({ kind: 'command', fileName: 'dump.sql', minBytes: 0, shell: 'seq 1 1000' });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const diary = () => join(root, 'diary');
const note = (word: string) => ({ shell: `echo ${word} >> '${diary()}'` });
const notes = () => (existsSync(diary()) ? readFileSync(diary(), 'utf8').trim().split('\n') : []);
const pidNoted = () => Number(readFileSync(join(root, 'pid'), 'utf8'));
/** A dead process that nobody has asked after has no words any more. */
const runs = (pid: number) => existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
const loading = (more: Partial<CommandTarget> = {}): CommandTarget => ({
  kind: 'command',
  shell: `cat > '${join(root, 'loaded')}' && echo load >> '${diary()}'`,
  before: [note('first'), { argv: ['bash', '-c', note('second').shell] }],
  after: [note('third'), note('fourth')],
  ...more,
});

describe('commands around a load', () => {
  it('S10 run in order, and each is told', async () => {
    const told: string[] = [];
    const progress = ({ current }: { readonly current: string }) => void told.push(current);
    await vault.run({ type: 'restore', record: dump.id, target: loading(), dryRun: false }, { progress });
    expect(notes()).toEqual(['first', 'second', 'load', 'third', 'fourth']);
    const labels = ['before the load, 1 of 2 (echo)', 'before the load, 2 of 2 (bash)', 'after the load, 1 of 2 (echo)'];
    expect(told).toEqual(expect.arrayContaining(labels));
  });

  it('S10 are steps of a rehearsal, which runs none', async () => {
    const { steps } = await vault.run({ type: 'restore', record: dump.id, target: loading(), dryRun: true });
    expect(steps?.map(({ action, path }) => `${action} ${path}`)).toEqual([
      'run before the load, 1 of 2 (echo)',
      'run before the load, 2 of 2 (bash)',
      'write bash',
      'run after the load, 1 of 2 (echo)',
      'run after the load, 2 of 2 (echo)',
    ]);
    expect(notes()).toEqual([]);
  });

  it('S10 that fail before end the restore with nothing loaded, and say why', async () => {
    const before = [note('first'), { shell: 'echo "cannot connect to the cluster" >&2; exit 4' }, note('never')];
    await expect(vault.restore(dump.id, loading({ before }))).rejects.toMatchObject({
      code: 'TARGET_FAILED',
      message: expect.stringMatching(/nothing was loaded.*before the load, 2 of 3 \(echo\) ended with 4: cannot connect to the cluster$/),
    });
    expect(notes()).toEqual(['first']);
    expect(existsSync(join(root, 'loaded'))).toBe(false);
    const piped = loading({ before: [{ shell: 'false | cat' }] });
    await expect(vault.restore(dump.id, piped)).rejects.toThrow('ended with 1');
    await expect(vault.restore(dump.id, loading({ before: [{ argv: ['/no/such/program'] }] }))).rejects.toThrow('ENOENT');
    expect(notes()).toEqual(['first']);
  });

  it('S10 go by their names only where somebody has looked them up', async () => {
    await expect(vault.restore(dump.id, loading({ after: [{ named: 'up' }] }))).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
    expect(notes()).toEqual([]);
  });

  it('S10 are not run after a load that failed', async () => {
    const failing = loading({ shell: 'head -c 10 > /dev/null; echo "table exists" >&2; exit 7' });
    await expect(vault.restore(dump.id, failing)).rejects.toMatchObject({
      code: 'TARGET_FAILED',
      message: expect.stringMatching(/ended with 7: table exists; the commands after the load were not run$/),
    });
    expect(notes()).toEqual(['first', 'second']);
  });

  it('S10 that fail after a load say that it is loaded', async () => {
    const after = [{ shell: 'echo "no such deployment"; exit 1' }, note('never')];
    await expect(vault.restore(dump.id, loading({ after }))).rejects.toThrow(
      /the dump is loaded, but the command after the load, 1 of 2 \(echo\) ended with 1: no such deployment; those after it were not run/,
    );
    expect(notes()).toEqual(['first', 'second', 'load']);
  });

  it('S10 end with the restore that is cancelled, with all that they started', async () => {
    const stop = new AbortController();
    const before = [{ shell: `sleep 300 & echo $! > '${join(root, 'pid')}'; wait` }];
    const running = vault.run(
      { type: 'restore', record: dump.id, target: loading({ before }), dryRun: false },
      {
        signal: stop.signal,
        progress: ({ current }) => {
          if (current.startsWith('before')) void pause(500).then(() => stop.abort(new Error('called off')));
        },
      },
    );
    await expect(running).rejects.toThrow('called off');
    await pause(200);
    expect(runs(pidNoted())).toBe(false);
    expect(notes()).toEqual([]);
  });

  it('S10 may leave something running that holds their output', async () => {
    const after = [{ shell: `sleep 20 & echo $! > '${join(root, 'pid')}'` }];
    await vault.restore(dump.id, loading({ after }));
    expect(runs(pidNoted())).toBe(true);
    process.kill(pidNoted());
  });
});
