// agentcli as a user meets it: the real script against the real agent.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'stillpoint-cli-'));
const inFolder = (name: string) => join(folder, name);
const environment = { PATH: process.env['PATH'], AGENT_HOME: inFolder('home'), AGENT_PORT: '0', TZ: 'UTC' };
const keyFile = inFolder('main.key');
let agent: ChildProcess;
let agentEnded: Promise<unknown>;

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs agentcli to its end; `interrupt` sends SIGINT as soon as it has written something. */
function agentcli(
  words: readonly string[],
  more: { readonly env?: Record<string, string>; readonly interrupt?: number } = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(join(root, 'scripts/agentcli'), words, {
      env: { ...environment, ...more.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: folder,
    });
    const text = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text.out += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (text.err += part));
    if (more.interrupt !== undefined) setTimeout(() => child.kill('SIGINT'), more.interrupt);
    child.on('close', (code) => resolve({ code, ...text }));
  });
}

/** The same on a pseudo terminal (script of util-linux), with `answer` typed as soon as a question stands there. */
function onTerminal(words: readonly string[], answer: string): Promise<Omit<Ran, 'err'>> {
  return new Promise((resolve) => {
    const line = [join(root, 'scripts/agentcli'), ...words].map((word) => `'${word}'`).join(' ');
    const child = spawn('script', ['-qec', line, '/dev/null'], { env: { ...environment, TERM: 'xterm' }, stdio: 'pipe', cwd: folder });
    let out = '';
    let answered = false;
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      out += part;
      if (!answered && out.includes('(y/N)')) child.stdin.write(answer);
      answered ||= out.includes('(y/N)');
    });
    child.on('close', (code) => resolve({ code, out: stripVTControlCharacters(out) }));
  });
}

async function json<T = Record<string, never>>(...words: string[]): Promise<T> {
  const { code, out, err } = await agentcli([...words, '--json']);
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out) as T;
}

/** The error as a person sees it and as a script does: both must agree, and both must say what to do. */
async function refused(words: readonly string[], env: Record<string, string> = {}) {
  const told = await agentcli(words, { env });
  const end = words.indexOf('--');
  const [own, rest] = end < 0 ? [words, []] : [words.slice(0, end), words.slice(end)];
  const problem = JSON.parse((await agentcli([...own, '--json', ...rest], { env })).err) as {
    code: string;
    detail: string;
    hint: string;
    exit: number;
  };
  expect(told.err).toBe(`error: ${problem.detail}\nhint: ${problem.hint}\n`);
  expect(told.code).toBe(problem.exit);
  expect(problem.hint.length).toBeGreaterThan(5);
  return problem;
}

interface Items {
  readonly items: readonly { readonly id: string; readonly name: string; readonly state: string; readonly path: string }[];
  readonly total: number;
  readonly nextCursor: string | null;
}

beforeAll(async () => {
  mkdirSync(inFolder('src/sub'), { recursive: true });
  writeFileSync(inFolder('src/a.txt'), 'one\n');
  writeFileSync(inFolder('src/sub/b.bin'), Buffer.alloc(300_000, 7));
  symlinkSync('a.txt', inFolder('src/link'));
  agent = spawn(join(root, 'scripts/rdagent'), [], { env: environment, stdio: 'ignore' });
  agentEnded = new Promise((resolve) => agent.on('exit', resolve));
  for (let i = 0; ; i += 1) {
    const { code, err } = await agentcli(['status']);
    if (code === 0) break;
    if (i > 150) throw new Error(`the agent does not start: ${err}`);
    await pause(200);
  }
});

afterAll(async () => {
  agent.kill('SIGTERM');
  await agentEnded;
  rmSync(folder, { recursive: true, force: true });
});

describe('M8 agentcli', () => {
  it('P1 binds a pool, B4 runs a plan, B19 looks inside, B8 restores', async () => {
    expect((await agentcli(['pool', 'bind', 'disk', '--type', 'local', '--path', 'pool', '--create'])).code).toBe(0);
    const created = await agentcli(['vault', 'create', 'main', '--recovery-key-file', keyFile]);
    expect(created.code).toBe(0);
    const key = readFileSync(keyFile, 'utf8');
    expect(key).toMatch(/^\S+\n$/);
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    expect(created.out + created.err).not.toContain(key.trim());
    expect((await agentcli(['plan', 'create', 'src', '--vault', 'main', '--source', 'files', '--path', 'src'])).code).toBe(0);

    const run = await agentcli(['backup', 'run', 'src', '--wait', '--name', 'first']);
    expect(run).toMatchObject({ code: 0 });
    expect(run.out).toMatch(/^backup first done in .*\n {2}backup [0-9a-f]{8} {2}.* added to the vault\n$/);
    const { items, total, nextCursor } = await json<Items>('backup', 'list');
    expect({ total, nextCursor }).toEqual({ total: 1, nextCursor: null });
    const id = items[0]!.id;

    const source = inFolder('src');
    const ls = await json<Items>('backup', 'ls', id.slice(0, 8), source);
    expect(ls.items.map(({ path }) => path).sort()).toEqual([`${source}/a.txt`, `${source}/link`, `${source}/sub`]);
    expect((await agentcli(['backup', 'ls', id, source, '-l'])).out).toContain(`${source}/link → a.txt\n`);
    expect((await agentcli(['backup', 'cat', id, `${source}/a.txt`])).out).toBe('one\n');
    expect((await json<Items>('backup', 'find', 'b.*')).items.map(({ path }) => path)).toEqual([`${source}/sub/b.bin`]);

    appendFileSync(inFolder('src/a.txt'), 'two\n');
    expect((await agentcli(['backup', 'run', 'src', '--wait', '--name', 'second'])).code).toBe(0);
    const second = (await json<Items>('backup', 'list', '--name', 'second')).items[0]!.id;
    expect((await agentcli(['backup', 'diff', id, second])).out).toContain(`M  ${source}/a.txt  4 B → 8 B\n`);

    expect((await agentcli(['backup', 'restore', id, '--target', 'out', '--wait'])).code).toBe(0);
    expect(readFileSync(join(inFolder('out'), source, 'a.txt'), 'utf8')).toBe('one\n');
  });

  it('B8 prints a dry run and changes nothing', async () => {
    const [{ id } = { id: '' }] = (await json<Items>('backup', 'list', '--name', 'second')).items;
    const dry = await agentcli(['backup', 'restore', id, '--target', 'out', '--dry-run']);
    expect(dry.code).toBe(0);
    expect(dry.out).toMatch(new RegExp(`~ \\w+ +${inFolder('out')}${inFolder('src')}/a\\.txt`));
    expect(readFileSync(join(inFolder('out'), inFolder('src'), 'a.txt'), 'utf8')).toBe('one\n');
  });

  it('B11 ends with 3 and lists the warnings when a backup has some', async () => {
    // Nobody can read the first page of a process: the kernel answers EIO to root and EACCES to others.
    expect((await agentcli(['plan', 'create', 'part', '--source', 'files', '--path', 'src', '--path', '/proc/1/mem'])).code).toBe(0);
    const run = await agentcli(['backup', 'run', 'part', '--wait']);
    expect(run.err).toMatch(/^warning: \/proc\/1\/mem: .+\n$/);
    expect(run.out).toContain(' warnings in ');
    expect(run.code).toBe(3);
  });

  it('S10 recovers with neither agent nor installation', async () => {
    const { location } = await json<{ location: string }>('vault', 'show', 'main');
    const { items: keys } = await json<{ items: { id: string; current: boolean; recovery: boolean }[] }>('vault', 'keys', 'list', 'main');
    expect(keys.map(({ current, recovery }) => [current, recovery]).toSorted()).toEqual([
      [false, true],
      [true, false],
    ]);
    const again = await agentcli(['vault', 'attach', location, '--name', 'twice', '--recovery-key-file', keyFile, '--json']);
    expect(JSON.parse(again.err)).toMatchObject({ code: 'VAULT_KNOWN', hint: expect.stringContaining('vault show main') });
    const recoveryKey = keys.find(({ recovery }) => recovery)!;
    expect((await agentcli(['vault', 'show', 'main'])).out).toMatch(new RegExp(`${recoveryKey.id.slice(0, 8)}.*recovery key`));
    const env = { AGENT_HOME: inFolder('nowhere'), STILLPOINT_RECOVERY_KEY_FILE: keyFile };
    const list = await agentcli(['recover', 'list', location, '--json'], { env });
    expect((JSON.parse(list.out) as Items).total).toBe(3);
    expect((await agentcli(['recover', 'restore', location, 'second', '--target', 'recovered'], { env })).code).toBe(0);
    expect(readFileSync(join(inFolder('recovered'), inFolder('src'), 'a.txt'), 'utf8')).toBe('one\ntwo\n');
    expect(existsSync(inFolder('nowhere'))).toBe(false);
    writeFileSync(inFolder('wrong.key'), 'WRONG\n');
    expect(await refused(['recover', 'list', location, '--recovery-key-file', 'wrong.key'])).toMatchObject({
      code: 'REPO_WRONG_KEY',
      exit: 12,
    });
    expect(await refused(['recover', 'list', inFolder('src/sub')], env)).toMatchObject({ code: 'REPO_NOT_FOUND', exit: 10 });
  });

  it('M8 leaves a task running when the waiting is interrupted, and cancels it if told to', async () => {
    expect((await agentcli(['plan', 'create', 'slow', '--source', 'command', '--shell', 'sleep 60; echo x'])).code).toBe(0);
    const left = await agentcli(['backup', 'run', 'slow', '--wait'], { interrupt: 2500 });
    expect(left.code).toBe(130);
    const id = /the task (\w+) goes on/.exec(left.err)?.[1] ?? '';
    expect(left.err).toContain(`agentcli task cancel ${id}`);
    expect((await json<{ state: string }>('task', 'show', id)).state).toBe('running');
    const cancelled = await agentcli(['task', 'wait', id, '--cancel-on-interrupt'], { interrupt: 2500 });
    expect(cancelled.code).toBe(130);
    expect(cancelled.err).toContain('error: the task was cancelled\n');
    expect((await json<{ state: string }>('task', 'show', id)).state).toBe('cancelled');
  });

  it('M8 asks on a terminal, shows what would be overwritten, and takes no for an answer', async () => {
    const [{ id } = { id: '' }] = (await json<Items>('backup', 'list', '--name', 'second')).items;
    const restored = join(inFolder('out'), inFolder('src'), 'a.txt');
    const no = await onTerminal(['backup', 'restore', id, '--target', 'out', '--wait'], 'n\r');
    expect(no.out).toContain(restored);
    expect(no.out).toContain('(y/N)');
    expect(no.out).toContain('was not confirmed');
    expect(no.code).toBe(130);
    expect(readFileSync(restored, 'utf8')).toBe('one\n');
  });

  it('S10 shows a recovery key once on a terminal, and it opens the vault', async () => {
    const created = await onTerminal(['vault', 'create', 'shown'], '');
    const key = /\b[A-Z0-9]{4}(?:-[A-Z0-9]{4})+\b/.exec(created.out)?.[0] ?? '';
    expect(created.out).toContain('Recovery key');
    writeFileSync(inFolder('shown.key'), `${key}\n`);
    const { location } = await json<{ location: string }>('vault', 'show', 'shown');
    const list = await agentcli(['recover', 'list', location, '--recovery-key-file', 'shown.key', '--json']);
    expect(JSON.parse(list.out)).toEqual({ items: [], total: 0, nextCursor: null });
    expect((await agentcli(['vault', 'delete', 'shown', '--yes', '--wait'])).code).toBe(0);
  });

  it('M8 shows help without an agent', async () => {
    const env = { AGENT_HOME: inFolder('nowhere') };
    const help = await agentcli(['--help'], { env });
    expect(help.code).toBe(0);
    for (const noun of ['status', 'pool', 'vault', 'plan', 'backup', 'task', 'recover', 'completion'])
      expect(help.out).toContain(`\n  ${noun} `);
    const vault = await agentcli(['vault'], { env });
    expect(vault).toMatchObject({ code: 2, out: '' });
    expect(vault.err).toContain('recovery-key');
    expect((await agentcli(['backup', 'restore', '--help'], { env })).out).toContain('Examples:');
  });
});

describe('M8 bad input: an own code, a hint, a non-zero exit, and nothing changed', () => {
  const counts = async () => {
    const { pools, vaults, plans, backups } = await json<Record<'pools' | 'vaults' | 'plans' | 'backups', { total: number }>>('status');
    return [pools.total, vaults.total, plans.total, backups.total, readdirSync(folder).length];
  };
  let before: number[];
  beforeAll(async () => {
    before = await counts();
  });
  afterAll(async () => {
    expect(await counts()).toEqual(before);
  });

  const bind = ['pool', 'bind', 'x', '--type'];
  const long = 'x'.repeat(256);
  const cases: readonly (readonly [string, readonly string[], string, number])[] = [
    ['an unknown option, with the one that was meant', ['backup', 'list', '--staet', 'x'], 'USAGE_OPTION', 2],
    ['an unknown noun', ['bakup'], 'USAGE_COMMAND', 2],
    ['an unknown verb', ['backup', 'lst'], 'USAGE_COMMAND', 2],
    ['a missing argument', ['plan', 'create'], 'USAGE_ARGUMENT', 2],
    ['a value that is not allowed', ['backup', 'list', '--state', 'x'], 'USAGE_VALUE', 2],
    ['a date that is none', ['backup', 'list', '--from', 'x'], 'USAGE', 2],
    ['a name against the rules', ['vault', 'create', 'a b', '--recovery-key-file', 'k'], 'NAME_INVALID', 2],
    ['a plan’s name against the rules', ['plan', 'create', 'a/b', '--source', 'files', '--path', 'src'], 'NAME_INVALID', 2],
    ['a name that is taken', ['vault', 'create', 'main', '--recovery-key-file', 'k'], 'ALREADY_EXISTS', 5],
    ['a description that is too long', ['backup', 'run', 'src', '--description', long], 'DESCRIPTION_INVALID', 2],
    ['a key file that exists', ['vault', 'create', 'new', '--recovery-key-file', keyFile], 'FILE_EXISTS', 5],
    ['a key with nowhere to go', ['vault', 'create', 'new'], 'KEY_FILE_NEEDED', 2],
    ['something that does not exist', ['plan', 'show', 'nope'], 'NOT_FOUND', 4],
    ['a plan whose path is missing', ['plan', 'create', 'new', '--source', 'files', '--path', 'absent'], 'SOURCE_MISSING', 4],
    ['a pool’s directory that is missing', [...bind, 'local', '--path', 'absent'], 'POOL_NOT_FOUND', 6],
    ['an option of the other type', [...bind, 'local', '--path', 'x', '--bucket', 'b'], 'USAGE_ARGUMENT', 2],
    ['a bandwidth that is none', [...bind, 'local', '--path', 'x', '--bandwidth', 'fast'], 'USAGE_VALUE', 2],
    ['a bucket without credentials', [...bind, 's3', '--endpoint', 'http://127.0.0.1:1'], 'CREDENTIALS_NEEDED', 2],
    [
      'a credentials file that is missing',
      [...bind, 's3', '--endpoint', 'http://127.0.0.1:1', '--credentials-file', 'no'],
      'FILE_MISSING',
      4,
    ],
    [
      'a credentials file that is none',
      [...bind, 's3', '--endpoint', 'http://127.0.0.1:1', '--credentials-file', keyFile],
      'CREDENTIALS_FILE',
      2,
    ],
    ['a deletion that nobody confirmed', ['vault', 'delete', 'main'], 'CONFIRMATION_NEEDED', 2],
    ['a plan’s deletion that nobody confirmed', ['plan', 'delete', 'src'], 'CONFIRMATION_NEEDED', 2],
    ['a directory that is no vault', ['vault', 'attach', folder, '--recovery-key-file', keyFile], 'REPO_NOT_FOUND', 10],
    ['a part of the data that does not exist', ['vault', 'check', 'main', '--read-data-subset', '6/5'], 'USAGE_VALUE', 2],
  ];

  for (const [name, words, code, exit] of cases)
    it(`M8 refuses ${name}`, async () => {
      const problem = await refused(words);
      expect(problem).toMatchObject({ code, exit });
      expect(JSON.stringify(problem)).not.toContain(readFileSync(keyFile, 'utf8').trim());
    });

  it('P1 gives a bucket other certificates, and says that a directory has none', async () => {
    writeFileSync(inFolder('ca.pem'), 'a certificate');
    expect(await refused(['pool', 'update', 'disk', '--ca-file', inFolder('ca.pem')])).toMatchObject({
      code: 'USAGE',
      detail: 'only a bucket has certificates to trust',
    });
    expect((await refused(['pool', 'update', 'disk', '--ca-file', inFolder('none.pem')])).code).toBe('FILE_MISSING');
    rmSync(inFolder('ca.pem'));
  });

  it('M8 says what was probably meant', async () => {
    expect((await refused(['backup', 'list', '--staet', 'x'])).hint).toBe('Did you mean --state? See agentcli backup list --help.');
    expect((await refused(['bakup', 'list'])).hint).toBe('Did you mean backup? See agentcli --help.');
  });

  it('B8 refuses to overwrite without a confirmation, and does it with --yes', async () => {
    const [{ id } = { id: '' }] = (await json<Items>('backup', 'list', '--name', 'second')).items;
    const restored = join(inFolder('out'), inFolder('src'), 'a.txt');
    for (const where of [['--target', 'out'], ['--in-place']]) {
      expect(await refused(['backup', 'restore', id, ...where])).toMatchObject({ code: 'CONFIRMATION_NEEDED', exit: 2 });
    }
    expect(readFileSync(restored, 'utf8')).toBe('one\n');
    expect((await agentcli(['backup', 'restore', id, '--target', 'out', '--yes', '--wait'])).code).toBe(0);
    expect(readFileSync(restored, 'utf8')).toBe('one\ntwo\n');
  });

  it('M8 refuses an ambiguous id and names how many it fits', async () => {
    const [{ id } = { id: '' }] = (await json<Items>('task', 'list')).items;
    const start = id.slice(0, 4);
    const database = new DatabaseSync(inFolder('home/data/agent.db'));
    database.exec('CREATE TEMP TABLE twin AS SELECT * FROM tasks WHERE id = (SELECT id FROM tasks ORDER BY created_at DESC LIMIT 1)');
    database.exec(`UPDATE twin SET id = '${start}ffffffffffff'; INSERT INTO tasks SELECT * FROM twin`);
    expect(await refused(['task', 'show', start])).toMatchObject({ code: 'AMBIGUOUS_ID', exit: 2, detail: `${start} matches 2 tasks` });
    expect((await json<{ id: string }>('task', 'show', id)).id).toBe(id);
    database.exec(`DELETE FROM tasks WHERE id = '${start}ffffffffffff'`);
    database.close();
  });

  it('M8 says that the agent is not running, and how to start it', async () => {
    const problem = await refused(['status'], { AGENT_HOME: inFolder('nowhere') });
    expect(problem).toMatchObject({ code: 'AGENT_UNREACHABLE', exit: 6 });
    expect(problem.detail).toBe(`the agent does not answer on any port: none runs with AGENT_HOME=${inFolder('nowhere')}`);
    expect(problem.hint).toContain('npm start');
    expect(problem.hint).not.toContain('systemctl'); // there is no service yet
  });
});
