// agentcli task approve: what root is shown, and what exactly the yes is good for.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addTaskApprove } from '../../../src/cli/commands/task-approve.ts';
import { openSession, type Session } from '../../../src/cli/session.ts';
import { approvalLasts, approvalsOf, digestOf, takeApproval } from '../../../src/config/approvals.ts';
import { allowed } from '../../../src/engine/allowed.ts';
import { nothingAllowed } from '../../../src/model/allowance.ts';
import type { RestoreTarget, TaskSpec } from '../../../src/model/task.ts';

const record = 'ab'.repeat(32);
const inPlace: RestoreTarget = { kind: 'files', path: '/', include: [], overwrite: 'always', delete: false, verify: false };
let home: string;
let run: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'approve-'));
  run = join(home, 'run');
  mkdirSync(run, { mode: 0o750 });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

interface Said {
  readonly out: string;
  readonly err: string;
  readonly json: readonly unknown[];
  /** The tasks that the agent was asked for. */
  readonly asked: readonly unknown[];
}

/** Runs the command against an agent that describes its task as `restore`. */
async function approve(restore: unknown, words: readonly string[] = ['--yes'], uid = 0, more: object = {}): Promise<Said> {
  const said = { out: '', err: '', json: [] as unknown[], asked: [] as unknown[] };
  const task = {
    id: '1f0c9a2b-0000',
    type: 'restore',
    name: 'nightly',
    vaultName: 'main',
    ...more,
    ...(restore !== undefined && { restore }),
  };
  const host = { environment: { AGENT_HOME: home }, interrupted: new AbortController().signal, standalone: () => Promise.reject() };
  const opened = openSession(host, words.includes('--json'));
  const session: Session = {
    ...opened,
    terminal: { ...opened.terminal, interactive: false },
    agent: async () =>
      ({
        call: async (name: string, { params }: { readonly params: unknown }) => {
          said.asked.push([name, params]);
          return task;
        },
      }) as never,
    print(text) {
      said.out += text;
    },
    remark(text) {
      said.err += text;
    },
    printJson: (value) => void said.json.push(value),
  };
  const noun = new Command('task').exitOverride();
  addTaskApprove(noun, session, () => uid);
  await noun.parseAsync(['approve', '1f0c', ...words], { from: 'user' });
  return said;
}

const taken = (target: RestoreTarget) => takeApproval({ run }, digestOf({ record, target }), Date.now(), 0);
const nothingApproved = () => expect(existsSync(approvalsOf({ run }))).toBe(false);

describe('agentcli task approve', () => {
  it('B8 lets the same restore through that had failed, once, and no other', async () => {
    const spec = (target: RestoreTarget) => ({ type: 'restore', vault: {}, record, target, dryRun: false }) as unknown as TaskSpec;
    const take = (digest: string) => takeApproval({ run }, digest, Date.now(), 0);
    const judge = (target: RestoreTarget) => allowed(spec(target), nothingAllowed, { task: '1f0c9a2b', take }, 0);
    expect(() => judge(inPlace)).toThrow(expect.objectContaining({ code: 'APPROVAL_NEEDED' }));
    const { asked, out } = await approve({ record, target: inPlace });
    expect(asked).toEqual([['taskShow', { id: '1f0c' }]]);
    expect(out).toMatch(/^approved once, until .*: start the same restore again\n$/);
    expect(() => judge({ ...inPlace, delete: true })).toThrow('root has to approve it');
    expect(judge(inPlace)).toMatchObject({ rights: 'root' });
    expect(() => judge(inPlace)).toThrow('root has to approve it');
  });

  it('B8 shows what is written where, and where links lead', async () => {
    mkdirSync(join(home, 'there'));
    symlinkSync('there', join(home, 'link'));
    const target: RestoreTarget = { ...inPlace, path: join(home, 'link', 'x'), include: ['/etc/nginx'], delete: true } as RestoreTarget;
    const { err } = await approve({ record, target });
    expect(err).toContain(`${record} (nightly of vault main, says the agent)`);
    expect(err).toContain(`${join(home, 'there', 'x')} (asked for as ${join(home, 'link', 'x')})\n`);
    for (const text of ['/etc/nginx', 'overwritten', 'what the backup does not have']) expect(err).toContain(text);
    expect(taken(target)).toBe(false);
    expect(taken({ ...target, path: join(home, 'there', 'x') } as RestoreTarget)).toBe(true);
    chmodSync(join(home, 'there'), 0o777);
    expect((await approve({ record, target })).err).toContain(`mind that the directory ${join(home, 'there')} may be written by`);
    expect((await approve({ record, target: inPlace })).err).toContain('/ (in place: to where it came from)');
  });

  it('B8 shows every disk that is overwritten', async () => {
    const target: RestoreTarget = { kind: 'disk', map: { '/dev/vda': '/dev/null', '/dev/vdb': '/dev/zero' }, verify: true };
    const { err } = await approve({ record, target });
    expect(err).toContain('/dev/null with /dev/vda\n');
    expect(err).toContain('/dev/zero with /dev/vdb\n');
    expect(taken(target)).toBe(true);
  });

  it('B8 prints no control characters that the agent sent', async () => {
    const { err } = await approve({ record, target: { ...inPlace, include: ['/a\u001b[2Jb'] } }, ['--yes'], 0, {
      name: 'x\u001b]0;y\u0007',
    });
    for (const control of ['\u001b', '\u0007']) expect(err).not.toContain(control);
    expect(err).toContain('/a\\x1b[2Jb');
  });

  it('B8 answers scripts in JSON', async () => {
    const before = Date.now();
    const { json, out } = await approve({ record, target: inPlace }, ['--yes', '--json']);
    expect(out).toBe('');
    expect(json).toEqual([{ task: '1f0c9a2b-0000', digest: digestOf({ record, target: inPlace }), until: expect.any(Number) }]);
    expect((json[0] as { until: number }).until).toBeGreaterThanOrEqual(before + approvalLasts);
  });

  it('B8 is for root only', async () => {
    await expect(approve({ record, target: inPlace }, ['--yes'], 1000)).rejects.toMatchObject({ code: 'ROOT_NEEDED', exit: 5 });
    nothingApproved();
  });

  it('B8 approves nothing without a yes', async () => {
    await expect(approve({ record, target: inPlace }, [])).rejects.toMatchObject({ code: 'CONFIRMATION_NEEDED' });
    nothingApproved();
  });

  it('B8 approves nothing that is not a restore, or that the agent describes in a way of its own', async () => {
    const strange = [
      undefined,
      null,
      'x',
      { record, target: { kind: 'command', shell: 'sh' } },
      { record: '../x', target: inPlace },
      { record, target: { ...inPlace, more: 1 } },
      { record, target: { ...inPlace, delete: 'no' } },
      { record, target: inPlace, also: { record, target: inPlace } },
      { record, target: { kind: 'disk', map: { '/dev/vda': 7 }, verify: false } },
    ];
    for (const restore of strange) await expect(approve(restore), JSON.stringify(restore)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(approve({ record, target: { ...inPlace, path: 'relative' } })).rejects.toMatchObject({ code: 'TARGET_FAILED' });
    nothingApproved();
  });
});
