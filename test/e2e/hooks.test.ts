// The commands of a plan around its backup: the real rdtask, the real process that runs them, as the users that root wrote beside them.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hooksThrough } from '../../src/agent/hooks-through.ts';
import { startTaskProcess, type TaskProcess } from '../../src/agent/task-process.ts';
import { taskProgram } from '../../src/host/programs.ts';
import { startHere } from '../../src/host/start.ts';
import { startThrough } from '../../src/host/start-through.ts';
import type { Hooks, SourceSettings } from '../../src/model/plan.ts';
import type { Rights } from '../../src/model/provider.ts';
import type { TaskSpec } from '../../src/model/task.ts';
import type { Warning } from '../../src/model/warning.ts';
import { backupTask, filesOf, testVault, type Vault } from '../beds/vault.ts';

const source = (name: string) => new URL(`../../src/${name}.ts`, import.meta.url).pathname;
const home = mkdtempSync(join(tmpdir(), 'hooks-'));
const places = { home: join(home, 'agent'), run: join(home, 'run'), tmp: join(home, 'agent/tmp') };
const allowFile = join(home, 'allow.yaml');
const diary = join(home, 'diary');
const data = join(home, 'data');
let vault: Vault;

const facts = '"$STILLPOINT_PLAN/$STILLPOINT_BACKUP/$STILLPOINT_RESULT/$STILLPOINT_CODE"';
const note = (word: string) => `echo ${word} $(id -un) ${facts} >> ${diary}`;
const command = (shell: string, user = 'daemon') => ({ shell, user });
const commands = {
  stop: command(`${note('stop')}; echo stopped; cp ${data}/file ${home}/seen-before; echo quiet > ${data}/file`, 'root'),
  second: command(note('second')),
  start: command(`${note('start')}; echo started >&2`),
  told: command(note('told'), 'mail'),
  bad: command(`${note('bad')}; echo "no such service" >&2; exit 3`),
  hang: command(`${note('hang')}; exec sleep 600`),
  look: command(`env | cut -d= -f1 | sort | tr '\\n' ' ' > ${home}/variables; tr '\\0' ' ' < /proc/$$/cmdline > ${home}/words`, 'root'),
};

beforeAll(async () => {
  chmodSync(home, 0o755);
  mkdirSync(places.tmp, { recursive: true });
  mkdirSync(data);
  process.env['AGENT_ALLOW'] = allowFile;
  writeFileSync(allowFile, JSON.stringify({ commands }));
  vault = testVault(join(home, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
});
afterAll(() => {
  delete process.env['AGENT_ALLOW'];
  rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

let task: TaskProcess | undefined;
beforeEach(() => {
  writeFileSync(diary, '');
  chmodSync(diary, 0o666);
  writeFileSync(join(data, 'file'), 'busy');
});
afterEach(() => task?.cancel());

const notes = () => readFileSync(diary, 'utf8').trim().split('\n').filter(Boolean);
async function noted(word: string): Promise<void> {
  while (!notes().some((line) => line.startsWith(word))) await pause(30);
}

/** Of a task: what runs its commands. */
function hookProcesses(task: number): readonly number[] {
  const children = readFileSync(`/proc/${task}/task/${task}/children`, 'utf8').trim().split(' ').map(Number);
  const found = children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith('hooks\0'));
  return found.length > 0 ? found : expect.fail('nothing runs commands');
}

/** A backup by rdtask, with commands around it. */
function begin(hooks: Partial<Hooks>, what: SourceSettings = filesOf(data), rights?: Rights) {
  const warnings: Warning[] = [];
  let log = '';
  const spec: TaskSpec = {
    ...backupTask(what),
    vault: vault.access,
    tags: { planName: 'plan', name: 'plan-1' },
    hooks: { before: [], after: [], failure: [], ...hooks },
  };
  const start = ({ output }: { readonly output: boolean }) =>
    rights
      ? startThrough(places.run, { verb: 'task', rights, niceness: 0, output })
      : startHere(taskProgram(places), { niceness: 0, output });
  task = startTaskProcess(
    spec,
    { start, patience: { term: 30_000, kill: 40_000 } },
    {
      onText: (piece) => {
        log += String(piece);
      },
      onEvent: (event) => {
        if (event.type === 'warning') warnings.push(event.warning);
      },
    },
  );
  return { task, warnings, log: () => log };
}
const sleeping: SourceSettings = { kind: 'command', fileName: 'dump', minBytes: 0, shell: `echo read >> ${diary}; sleep 600` };
const all = { before: ['stop', 'second'], after: ['start'], failure: ['told'] };

describe('commands around a backup', () => {
  it('B1 run in order as their users, know what became of it, and say it in the log', async () => {
    const { task, warnings, log } = begin(all);
    const end = await task.ended;
    expect(end).toMatchObject({ kind: 'done', result: { warnings: 0 } });
    expect(notes()).toEqual(['stop root plan/plan-1//', 'second daemon plan/plan-1//', 'start daemon plan/plan-1/ok/']);
    expect(warnings).toEqual([]);
    expect(log()).toMatch(/before: stop\nstopped\nbefore: second\nafter: start\nstarted\n$/);
    // What the first of them did is in the backup: nothing was read earlier.
    const record = end.kind === 'done' ? end.result.record!.id : '';
    expect(String(await vault.cat(record, join(data, 'file')))).toBe('quiet\n');
  });

  it('B1 get nothing of the environment of the agent, and nothing as arguments', async () => {
    process.env['SECRET_OF_THE_AGENT'] = 'x';
    expect(await begin({ before: ['look'] }).task.ended).toMatchObject({ kind: 'done' });
    delete process.env['SECRET_OF_THE_AGENT'];
    const own = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'STILLPOINT_BACKUP', 'STILLPOINT_PLAN', 'USER'];
    const variables = readFileSync(join(home, 'variables'), 'utf8').trim().split(' ');
    expect(variables.filter((name) => !['PWD', 'SHLVL', '_'].includes(name))).toEqual(own);
    expect(readFileSync(join(home, 'words'), 'utf8')).not.toContain('plan-1');
  });

  it('B1 that fail before it end it, with nothing read; those after it and after a failure run', async () => {
    const before = (await vault.records()).length;
    const end = await begin({ ...all, before: ['stop', 'bad', 'second'] }).task.ended;
    expect(end).toMatchObject({ kind: 'failed', problem: { code: 'HOOK_FAILED' } });
    expect(end.kind === 'failed' && end.problem.detail).toBe('the before command bad failed: ended with 3: no such service');
    const left = 'plan/plan-1/failed/HOOK_FAILED';
    expect(notes()).toEqual(['stop root plan/plan-1//', 'bad daemon plan/plan-1//', `start daemon ${left}`, `told mail ${left}`]);
    expect((await vault.records()).length).toBe(before);
  });

  it('B1 that root has not named are refused before any of them runs', async () => {
    const end = await begin({ ...all, failure: ['sly'] }).task.ended;
    expect(end).toMatchObject({ kind: 'failed', problem: { code: 'NOT_ALLOWED' } });
    expect(notes()).toEqual([]);
  });

  it('B1 that fail after it are a warning: the backup stands', async () => {
    const { task, warnings } = begin({ after: ['bad', 'start'] });
    expect(await task.ended).toMatchObject({ kind: 'done', result: { warnings: 1, record: expect.anything() } });
    expect(warnings).toEqual([{ item: 'bad', detail: expect.stringContaining('ended with 3: no such service') }]);
    expect(notes().at(-1)).toBe('start daemon plan/plan-1/ok/');
  });

  it('B1 are ended when the backup is cancelled while they run, and those after it run', async () => {
    const { task } = begin({ ...all, before: ['hang'] });
    await noted('hang');
    task.cancel();
    expect(await task.ended).toMatchObject({ kind: 'failed', problem: { code: 'TASK_CANCELLED' } });
    const left = 'plan/plan-1/cancelled/TASK_CANCELLED';
    expect(notes()).toEqual(['hang daemon plan/plan-1//', `start daemon ${left}`, `told mail ${left}`]);
  });

  it('B1 run after it when it is cancelled, and when its process is killed', async () => {
    for (const [kill, left] of [
      [false, 'cancelled/TASK_CANCELLED'],
      [true, 'failed/TASK_DIED'],
    ] as const) {
      writeFileSync(diary, '');
      const { task } = begin(all, sleeping);
      await noted('read');
      if (kill) {
        // As a service is stopped.
        for (const pid of hookProcesses(task.pid)) process.kill(pid, 'SIGTERM');
        process.kill(-task.pid, 'SIGKILL');
      } else task.cancel();
      await task.ended;
      await noted('told');
      expect(notes().slice(2)).toEqual(['read', `start daemon plan/plan-1/${left}`, `told mail plan/plan-1/${left}`]);
    }
  });

  it('B1 have their time, and no more', async () => {
    const code = `const { serveHooks } = await import(${JSON.stringify(source('agent/hooks-side'))}); process.exit(await serveHooks(400));`;
    const env = { PATH: process.env['PATH'] ?? '', AGENT_ALLOW: allowFile };
    const argv = ['--input-type=module', '-e', code];
    const start = hooksThrough(
      () => startHere({ argv, cwd: home, env }, { niceness: 0, output: false }),
      () => undefined,
    );
    const run = start({ before: ['hang'], after: ['hang', 'start'], failure: [] }, { plan: 'p', backup: 'b' });
    const late = 'command hang failed: did not end within 0.4 seconds';
    await expect(run.before(new AbortController().signal)).rejects.toMatchObject({ code: 'HOOK_FAILED', message: `the before ${late}` });
    const warnings: Warning[] = [];
    await run.after('failed', 'HOOK_FAILED', (warning) => warnings.push(warning));
    expect(warnings.map(({ detail }) => detail)).toEqual([`the after ${late}`]);
    expect(notes().at(-1)).toBe('start daemon p/b/failed/HOOK_FAILED');
  });
});

describe('commands around a backup, in an installation', () => {
  let provider: ChildProcess;
  beforeAll(async () => {
    const env = { ...process.env, AGENT_HOME: places.home, AGENT_RUN: places.run, AGENT_USER: 'nobody' };
    provider = spawn(process.execPath, [source('rdprovider')], { env, stdio: 'inherit' });
    while (!existsSync(join(places.run, 'provider.sock'))) await pause(50);
  });
  afterAll(async () => {
    const gone = new Promise((resolve) => provider.once('exit', resolve));
    provider.kill('SIGTERM');
    await gone;
  });

  it('B1 S10 run with the rights that root gave them, not with those of the task, which keeps its own', async () => {
    await new Promise((resolve) => spawn('chown', ['-R', 'nobody', join(home, 'pool')]).once('exit', resolve));
    const who: SourceSettings = { kind: 'command', fileName: 'who', minBytes: 0, shell: 'id -un', rights: 'own' } as SourceSettings;
    const end = await begin(all, who, 'own').task.ended;
    expect(end).toMatchObject({ kind: 'done' });
    expect(notes()).toEqual(['stop root plan/plan-1//', 'second daemon plan/plan-1//', 'start daemon plan/plan-1/ok/']);
    const record = end.kind === 'done' ? end.result.record! : undefined;
    expect(String(await vault.cat(record!.id, record!.paths[0]!))).toBe('nobody\n');
  });
});
