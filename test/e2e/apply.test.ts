// agentcli apply and export as a person runs them, against real agents.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningAgent, startAgent } from './agent-bench.ts';
import { agentcliScript, runFor } from './cli-run.ts';

const script = fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url));
const top = mkdtempSync(join(tmpdir(), 'apply-e2e-'));
const inTop = (name: string) => join(top, name);
let agent: RunningAgent;

const yaml = `gateway: { name: out, address: 127.0.0.1 }
pools:
  - name: disk
    place: { type: local, path: ${inTop('pool')} }
    create: true
policies:
  - name: nightly
    schedule: { hours: [2], everyDays: 2 }
    retention: { count: 7 }
vaults:
  - { name: main, pool: disk, policy: nightly, recoveryKeyFile: keys/main.key }
plans:
  - name: etc
    vault: main
    source: { kind: files, paths: [ ${inTop('src')} ], excludes: ["*.tmp"] }
  - name: shop
    description: 'the shop: orders'
    vault: main
    source: { kind: mysql, server: { host: db.example.org, user: backup, passwordFile: shop.pw }, databases: [shop] }
  - name: shop-log
    vault: main
    source: { kind: mysql, method: incremental, base: shop, server: { host: db.example.org, user: backup, passwordFile: shop.pw } }
    consistency: { otherwise: fail }
    schedule: { cron: '15 * * * *' }
    retention: { daily: 7, monthly: 12 }
    window: { from: '22:00', to: '06:00' }
    heartbeatFile: shop.beat
`;

/** The same on a pseudo terminal (script of util-linux); each answer is typed once its question stands there. */
function onTerminal(words: readonly string[], answers: Readonly<Record<string, string>>) {
  const line = [agentcliScript, ...words].map((word) => `'${word}'`).join(' ');
  const env = { PATH: process.env['PATH'], AGENT_HOME: agent.home, AGENT_RUN: agent.layout.run, TERM: 'xterm', TZ: 'UTC' };
  const child = spawn('script', ['-qec', line, '/dev/null'], { env, stdio: 'pipe', cwd: top });
  const open = new Map(Object.entries(answers));
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    out += stripVTControlCharacters(part);
    for (const [question, answer] of open) {
      if (!out.includes(question)) continue;
      open.delete(question);
      child.stdin.write(`${answer}\r`);
    }
  });
  return new Promise<{ readonly code: number | null; readonly out: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, out }));
  });
}

interface Done {
  readonly kind: string;
  readonly name: string;
  readonly action: string;
  readonly changes: readonly { readonly field: string; readonly before: unknown; readonly after: unknown }[];
}

const cli = (words: readonly string[], input?: string, of = agent) =>
  runFor(of, top, [agentcliScript, ...words], input === undefined ? {} : { input });
async function apply(text: string, words: readonly string[] = [], of = agent): Promise<readonly string[]> {
  const { code, out, err } = await cli(['apply', '-f', '-', '--json', ...words], text, of);
  expect(err).toBe('');
  expect(code).toBe(0);
  return (JSON.parse(out) as { readonly items: readonly Done[] }).items.map(({ action, name, changes }) =>
    [action, name, ...changes.map(({ field }) => field)].join(' '),
  );
}
const secretFiles: Readonly<Record<string, string>> = {
  passwordFile: 'shop.pw',
  heartbeatFile: 'shop.beat',
  recoveryKeyFile: 'main.key',
};
const allCreated = ['created out', 'created disk', 'created nightly', 'created main', 'created etc', 'created shop', 'created shop-log'];
const counts = async (of = agent) => {
  const { pools, vaults, plans } = await of.client.call('status', {});
  const policies = await of.client.call('policyList', { query: {} });
  return [pools.total, policies.total, vaults.total, plans.total];
};

beforeAll(async () => {
  for (const folder of ['src', 'keys']) mkdirSync(inTop(folder));
  writeFileSync(inTop('shop.pw'), 'canary-of-the-shop\n');
  writeFileSync(inTop('shop.beat'), 'success=https://beat.example.org/canary-of-the-beat\n');
  writeFileSync(inTop('plans.yaml'), yaml);
  agent = await startAgent(inTop('agent'), { AGENT_TASK_SCRIPT: script });
}, 60_000);

afterAll(async () => {
  await agent?.stop();
  rmSync(top, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

describe('S10 agentcli apply', () => {
  it('S10 says what it would do, and refuses what is wrong, with nothing done', async () => {
    expect(await apply(yaml, ['--dry-run'])).toEqual(allCreated);
    const wrong = await cli(
      ['apply', '-f', '-', '--json'],
      yaml.replace('vault: main\n    source: { kind: files', 'vault: mian\n    source: { kind: files'),
    );
    expect(wrong.code).toBe(2);
    expect(JSON.parse(wrong.err)).toMatchObject({
      code: 'APPLY_INVALID',
      detail: expect.stringMatching(/^standard input, line 14, column 5: there is no vault mian/),
    });
    const mistyped = await cli(['apply', '-f', '-'], yaml.replace('retention: { count', 'retenton: { count'));
    expect(mistyped.code).toBe(2);
    expect(mistyped.err).toMatch(
      /^error: standard input, line 9, column 5: policies\[0\] has an unknown key retenton; did you mean retention\? \(the line: retenton: …\)\nhint: /,
    );
    const cron = await cli(['apply', '-f', '-'], yaml.replace("'15 * * * *'", "'75 * * * *'"));
    expect(cron.err).toMatch(/line \d+, column 5: invalid schedule/);
    expect((await cli(['apply', '-f', 'gone.yaml'])).err).toContain('gone.yaml does not exist');
    expect(await counts()).toEqual([0, 0, 0, 0]);
    expect(existsSync(inTop('pool'))).toBe(false);
    expect(existsSync(inTop('keys/main.key'))).toBe(false);
  });

  it('S10 run twice at once makes everything once', async () => {
    const [one, other] = await Promise.all([apply(yaml), apply(yaml)]);
    const [first, second] = one[0] === 'created out' ? [one, other] : [other, one];
    expect(first).toEqual(allCreated);
    expect(second).toEqual(allCreated.map((line) => line.replace('created', 'unchanged')));
    expect(await counts()).toEqual([1, 1, 1, 3]);
    expect(statSync(inTop('keys/main.key')).mode & 0o777).toBe(0o600);
  });

  it('S10 changes what differs; the plan then reads the new source', async () => {
    writeFileSync(inTop('src/a.log'), 'a');
    writeFileSync(inTop('src/b.tmp'), 'b');
    const changed = yaml.replace('*.tmp', '*.log').replace('pool: disk', 'pool: disk, capacityGb: 200');
    expect(await apply(changed)).toEqual([
      'unchanged out',
      'unchanged disk',
      'unchanged nightly',
      'changed main capacityGb',
      'changed etc source.excludes',
      'unchanged shop',
      'unchanged shop-log',
    ]);
    expect((await apply(changed)).every((line) => line.startsWith('unchanged'))).toBe(true);
    expect((await cli(['backup', 'run', 'etc', '--wait'])).code).toBe(0);
    const [backup] = (await agent.client.call('backupList', { query: {} })).items;
    const ls = await cli(['backup', 'ls', backup?.id ?? '', inTop('src')]);
    expect(ls.out).toContain('b.tmp');
    expect(ls.out).not.toContain('a.log');
  });

  it('S10 shows each field that would change, in words and as JSON, and changes nothing', async () => {
    const wish = yaml
      .replace('hours: [2]', 'hours: [3, 15]')
      .replace('count: 7', 'months: 3')
      .replace('policy: nightly', 'policy: none')
      .replace("to: '06:00'", "to: '05:30'");
    const { out } = await cli(['apply', '-f', '-', '--dry-run'], wish);
    expect(out).toMatch(/^WOULD BE +KIND +NAME\nunchanged +gateway +out\nunchanged +pool +disk\n/);
    expect(out).toMatch(
      /\nchanged +policy +nightly\n {4}schedule: at 02:00 every 2 days, counted from (\S+) \(\S+\) → at 03:00 and 15:00 every 2 days, counted from \1 \(\S+\)\n/,
    );
    expect(out).toContain('\n    retention: the newest 7 → 3 months\n');
    expect(out).toMatch(/\nchanged +vault +main\n {4}policy: nightly → none\n/);
    expect(out).toMatch(/\nchanged +plan +shop-log\n {4}window: 22:00-06:00 \((\S+)\) → 22:00-05:30 \(\1\)\n/);
    const json = JSON.parse((await cli(['apply', '-f', '-', '--dry-run', '--json'], wish)).out) as { readonly items: readonly Done[] };
    expect(json.items.find(({ name }) => name === 'nightly')?.changes[1]).toEqual({
      field: 'retention',
      before: { kind: 'quantity', count: 7 },
      after: { kind: 'time', amount: 3, unit: 'months' },
    });
    expect((await agent.client.call('policyShow', { params: { id: 'nightly' } })).rule.retention).toEqual({ kind: 'quantity', count: 7 });

    expect(await apply(wish)).toContain('changed nightly schedule retention');
    expect((await agent.client.call('vaultShow', { params: { id: 'main' } })).policyName).toBeNull();
    expect((await apply(wish)).every((line) => line.startsWith('unchanged'))).toBe(true);
  });

  it('S10 tells what was done before something failed', async () => {
    const text = `pools:
  - { name: good, place: { type: local, path: ${inTop('good')} }, create: true }
  - { name: bad, place: { type: local, path: ${inTop('not/there')} } }
`;
    const ran = await cli(['apply', '-f', '-'], text);
    expect(ran.code).not.toBe(0);
    expect(ran.err).toMatch(/^created: pool good\nerror: /);
    expect((await cli(['pool', 'unbind', 'good', '--yes'])).code).toBe(0);
  });

  it('S10 exports what makes the same on another agent, without secrets', async () => {
    const { out: text, code } = await cli(['export']);
    expect(code).toBe(0);
    expect(text).not.toContain('canary');
    expect((await apply(text)).every((line) => line.startsWith('unchanged'))).toBe(true);

    const other = await startAgent(inTop('other'), { AGENT_TASK_SCRIPT: script });
    try {
      const refused = await cli(['apply', '-f', '-'], text, other);
      expect(refused.err).toContain('recoveryKeyFile is missing');
      const given = text.replaceAll(
        /# (recoveryKeyFile|passwordFile|heartbeatFile): \S+/g,
        (_line, key: string) => `${key}: ${secretFiles[key]}`,
      );
      expect(await apply(given, [], other)).toEqual(allCreated);
      expect((await cli(['export'], undefined, other)).out).toBe(text);
      const key = readFileSync(inTop('main.key'), 'utf8').trim();
      const [vault] = (await other.client.call('vaultList', { query: {} })).items;
      const list = await runFor(other, top, [agentcliScript, 'recover', 'list', vault?.location ?? '', '--recovery-key-file', 'main.key']);
      expect(list.code).toBe(0);
      expect(key).not.toBe(readFileSync(inTop('keys/main.key'), 'utf8').trim());
    } finally {
      await other.stop();
    }
  });

  it('S10 removes what a list leaves out only with --prune and the typed name, all or nothing', async () => {
    const old = `pools:
  - { name: oldpool, place: { type: local, path: ${inTop('old')} }, create: true }
policies:
  - { name: oldpolicy, schedule: { cron: '0 1 * * *' } }
vaults:
  - { name: oldvault, pool: oldpool, policy: oldpolicy, recoveryKeyFile: keys/old.key }
plans:
  - { name: oldplan, vault: oldvault, source: { kind: command, shell: 'echo old' } }
`;
    expect((await apply(old)).every((line) => line.startsWith('created'))).toBe(true);
    const names = ['oldplan', 'oldvault', 'oldpolicy', 'oldpool'];
    const typed = names.flatMap((name) => ['--prune-name', name]);
    // Neither without --prune, nor with it and a name missing: and then nothing else is done either.
    expect((await apply(yaml)).some((line) => line.startsWith('removed'))).toBe(false);
    const before = await counts();
    const { out: all } = await cli(['export']);
    const changed = yaml.replace('count: 7', 'count: 9');
    const refused = await cli(['apply', '-f', '-', '--prune', ...typed.slice(2)], changed);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('removing plan oldplan (--prune-name oldplan) needs each name to be typed');
    const used = await cli(
      ['apply', '-f', '-', '--prune', '--prune-name', 'main'],
      changed.replace(/vaults:\n.*\n/, 'vaults: []\n').replaceAll(/ {4}vault: main\n/g, ''),
    );
    expect(used.err).toContain('error: vault main is used by the plan etc, the plan shop, the plan shop-log');
    expect(await counts()).toEqual(before);
    expect((await cli(['export'])).out).toBe(all);

    expect((await apply(yaml, ['--prune', '--dry-run'])).filter((line) => line.startsWith('removed'))).toEqual(
      names.map((name) => `removed ${name}`),
    );
    expect(await counts()).toEqual(before);
    const mistyped = await onTerminal(['apply', '-f', 'plans.yaml', '--prune'], { 'Remove the plan oldplan? Type its name:': 'oldvault' });
    expect(mistyped.code).not.toBe(0);
    expect(mistyped.out).toContain('removing the plan oldplan was not confirmed');
    expect(await counts()).toEqual(before);
    const done = await onTerminal(['apply', '-f', 'plans.yaml', '--prune', ...typed.slice(2)], {
      'Remove the plan oldplan? Type its name:': 'oldplan',
    });
    expect(done).toMatchObject({ code: 0, out: expect.stringMatching(/removed +vault +oldvault\s+removed +policy +oldpolicy/) });
    expect(await counts()).toEqual([1, 1, 1, 3]);
    expect((readdirSync(inTop('old'), { recursive: true }) as string[]).filter((name) => /config$|keys\//.test(name))).toEqual([]);
    expect((await apply(yaml, ['--prune', ...typed])).every((line) => line.startsWith('unchanged'))).toBe(true);
    // A plan with backups stays, whatever is typed.
    const kept = await cli(['apply', '-f', '-', '--prune', '--prune-name', 'etc'], yaml.replace(/ {2}- name: etc\n(?: {4}.*\n)+/, ''));
    expect(kept.err).toContain('plan etc is used by 1 backup');
  });
});
