// agentcli apply and export as a person runs them, against real agents.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningAgent, startAgent } from './agent-bench.ts';
import { agentcliScript, runFor } from './cli-run.ts';

const script = fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url));
const top = mkdtempSync(join(tmpdir(), 'apply-e2e-'));
const inTop = (name: string) => join(top, name);
let agent: RunningAgent;

const yaml = `pools:
  - name: disk
    place: { type: local, path: ${inTop('pool')} }
    create: true
vaults:
  - { name: main, pool: disk, recoveryKeyFile: keys/main.key }
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
`;

interface Done {
  readonly kind: string;
  readonly name: string;
  readonly action: string;
  readonly changes: readonly string[];
}

const cli = (words: readonly string[], input?: string, of = agent) =>
  runFor(of, top, [agentcliScript, ...words], input === undefined ? {} : { input });
async function apply(text: string, words: readonly string[] = [], of = agent): Promise<readonly string[]> {
  const { code, out, err } = await cli(['apply', '-f', '-', '--json', ...words], text, of);
  expect(err).toBe('');
  expect(code).toBe(0);
  return (JSON.parse(out) as { readonly items: readonly Done[] }).items.map(({ action, name, changes }) =>
    [action, name, ...changes].join(' '),
  );
}
const allCreated = ['created disk', 'created main', 'created etc', 'created shop', 'created shop-log'];
const counts = async (of = agent) => {
  const { pools, vaults, plans } = await of.client.call('status', {});
  return [pools.total, vaults.total, plans.total];
};

beforeAll(async () => {
  for (const folder of ['src', 'keys']) mkdirSync(inTop(folder));
  writeFileSync(inTop('shop.pw'), 'canary-of-the-shop\n');
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
      detail: expect.stringMatching(/^standard input, line 9, column 5: there is no vault mian/),
    });
    const scheduled = await cli(['apply', '-f', '-'], `${yaml}    schedule: "0 0 * * *"\n`);
    expect(scheduled.code).toBe(2);
    expect(scheduled.err).toMatch(/error: .*schedules do not exist yet.*agentcli backup run[\s\S]*hint: /);
    expect((await cli(['apply', '-f', 'gone.yaml'])).err).toContain('gone.yaml does not exist');
    expect(await counts()).toEqual([0, 0, 0]);
    expect(existsSync(inTop('pool'))).toBe(false);
    expect(existsSync(inTop('keys/main.key'))).toBe(false);
  });

  it('S10 run twice at once makes everything once', async () => {
    const [one, other] = await Promise.all([apply(yaml), apply(yaml)]);
    const [first, second] = one[0] === 'created disk' ? [one, other] : [other, one];
    expect(first).toEqual(allCreated);
    expect(second).toEqual(allCreated.map((line) => line.replace('created', 'unchanged')));
    expect(await counts()).toEqual([1, 1, 3]);
    expect(statSync(inTop('keys/main.key')).mode & 0o777).toBe(0o600);
  });

  it('S10 changes what differs; the plan then reads the new source', async () => {
    writeFileSync(inTop('src/a.log'), 'a');
    writeFileSync(inTop('src/b.tmp'), 'b');
    const changed = yaml.replace('*.tmp', '*.log').replace('pool: disk', 'pool: disk, capacityGb: 200');
    expect(await apply(changed)).toEqual([
      'unchanged disk',
      'changed main capacityGb',
      'changed etc source',
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
      const given = text.replaceAll(/# (recoveryKeyFile|passwordFile): \S+/g, (line, key: string) =>
        key === 'passwordFile' ? 'passwordFile: shop.pw' : line.slice(2),
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
});
