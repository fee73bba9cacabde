// What `agentcli apply` would do with a file, and what it refuses before it does anything.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bucketPlace } from '../../../src/agent/bucket-place.ts';
import { completeSource } from '../../../src/agent/complete-source.ts';
import { checkDescription, checkName } from '../../../src/agent/names.ts';
import type { StillpointError } from '../../../src/base/errors.ts';
import { readWanted } from '../../../src/cli/apply/read.ts';
import type { Known, Step } from '../../../src/cli/apply/step.ts';
import { stepsFor } from '../../../src/cli/apply/steps.ts';
import { fileText } from '../../../src/cli/apply/write.ts';
import { defaultConsistency } from '../../../src/model/consistency.ts';
import type { Client } from '../../../src/rpc/client.ts';

const folder = mkdtempSync(join(tmpdir(), 'apply-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'plans.yaml');
writeFileSync(join(folder, 'cos.ini'), 'access_key=AK\nsecret_key=SK\n');
writeFileSync(join(folder, 'db.pw'), 'hush\n');

const rules = { source: completeSource, bucket: bucketPlace, name: checkName, description: checkDescription };
const nothing: Known = { pools: [], vaults: [], plans: [] };
const stepsOf = (text: string, known: Known = nothing, renewSecrets = false): readonly Step[] =>
  stepsFor(readWanted(text, file), { known, rules, renewSecrets });
const wordsOf = (steps: readonly Step[]) => steps.map(({ action, kind, name, changes }) => [action, kind, name, ...changes].join(' '));

/** The calls that the steps make. */
async function callsOf(steps: readonly Step[]): Promise<readonly (readonly [string, unknown])[]> {
  const calls: [string, unknown][] = [];
  const client = { call: async (name: string, input: unknown) => calls.push([name, input]) && { recoveryKey: 'the-key' } };
  for (const step of steps) await step.run(client as unknown as Client);
  return calls;
}

function refusal(text: string, known?: Known): { readonly message: string; readonly hint: string; readonly code: string } {
  try {
    stepsOf(text, known);
  } catch (error) {
    return error as StillpointError;
  }
  throw new Error('it was not refused');
}

const pool = `pools:
  - name: cos
    place: { type: s3, endpoint: "https://s3.example.org/", bucket: backups, prefix: /enclave/ }
    credentialsFile: cos.ini
`;
const vault = `vaults:
  - name: main
    pool: cos
    recoveryKeyFile: main.key
`;
const plan = `plans:
  - name: malbork
    vault: main
    source: { kind: command, shell: dump, expectTail: 'END\\s*$' }
`;
const whole = pool + vault + plan;

/** As the agent has it after `whole` was applied. */
const applied = {
  pools: [
    {
      id: 'p1',
      name: 'cos',
      remark: '',
      location: 's3:…',
      place: bucketPlace({ type: 's3', endpoint: 'https://s3.example.org', bucket: 'backups', prefix: 'enclave' }),
      hasCredentials: true,
      bandwidth: 0,
    },
  ],
  vaults: [{ id: 'v1', name: 'main', description: '', poolId: 'p1', poolName: 'cos', capacityGb: 100 }],
  plans: [
    {
      id: 'l1',
      name: 'malbork',
      description: '',
      vaultId: 'v1',
      vaultName: 'main',
      source: { kind: 'command', fileName: 'malbork', minBytes: 0, shell: 'dump', expectTail: 'END\\s*$' },
      consistency: defaultConsistency,
    },
  ],
} as unknown as Known;

describe('S10 agentcli apply', () => {
  it('S10 makes what is missing, in order, with secrets and files from the folder of the file', async () => {
    const steps = stepsOf(plan + vault + pool);
    expect(wordsOf(steps)).toEqual(['created pool cos', 'created vault main', 'created plan malbork']);
    expect(existsSync(join(folder, 'main.key'))).toBe(false);
    expect(await callsOf(steps)).toMatchObject([
      ['poolBind', { body: { name: 'cos', credentials: { accessKey: 'AK', secretKey: 'SK' } } }],
      ['vaultCreate', { body: { name: 'main', pool: 'cos' } }],
      ['planCreate', { body: { name: 'malbork', vault: 'main', source: { kind: 'command', shell: 'dump' } } }],
    ]);
    expect(existsSync(join(folder, 'main.key'))).toBe(true);
    rmSync(join(folder, 'main.key'));
  });

  it('S10 leaves alone what is equal, however it is written, and needs no secrets for it', async () => {
    const steps = stepsOf(whole.replace('cos.ini', 'gone.ini'), applied);
    expect(wordsOf(steps)).toEqual(['unchanged pool cos', 'unchanged vault main', 'unchanged plan malbork']);
    expect(await callsOf(steps)).toEqual([]);
  });

  it('S10 changes what differs, and only that', async () => {
    const changed = whole
      .replace('credentialsFile', 'bandwidth: 1000\n    credentialsFile')
      .replace('pool: cos\n', 'pool: cos\n    capacityGb: 200\n')
      .replace('shell: dump', 'shell: dump2')
      .replace('vault: main\n', 'vault: main\n    consistency: { otherwise: fail, freezeLimit: 60 }\n');
    const steps = stepsOf(changed, applied);
    expect(wordsOf(steps)).toEqual([
      'changed pool cos bandwidth',
      'changed vault main capacityGb',
      'changed plan malbork source consistency',
    ]);
    expect(await callsOf(steps)).toEqual([
      ['poolUpdate', { params: { id: 'p1' }, body: { bandwidth: 1000 } }],
      ['vaultUpdate', { params: { id: 'v1' }, body: { capacityGb: 200 } }],
      [
        'planUpdate',
        {
          params: { id: 'l1' },
          body: { source: { kind: 'command', shell: 'dump2', expectTail: 'END\\s*$' }, consistency: { otherwise: 'fail' } },
        },
      ],
    ]);
    // An option of the source that is taken out of the file is taken out of the plan.
    expect(wordsOf(stepsOf(whole.replace(", expectTail: 'END\\s*$'", ''), applied))[2]).toBe('changed plan malbork source');
    expect(wordsOf(stepsOf(pool, applied, true))).toEqual(['changed pool cos credentials']);
  });

  it('S10 takes passwords of databases from files, and plans after those they continue', async () => {
    const text = `${pool}${vault}plans:
  - name: log
    source: { kind: mysql, method: incremental, base: shop, server: { user: b, passwordFile: db.pw } }
  - name: shop
    source: { kind: mysql, method: physical, server: { user: b, passwordFile: db.pw, ca: ca.pem } }
`;
    const steps = stepsOf(text);
    expect(wordsOf(steps).slice(2)).toEqual(['created plan shop', 'created plan log']);
    const calls = await callsOf(steps.slice(2));
    expect(calls[0]![1]).toMatchObject({ body: { source: { server: { user: 'b', password: 'hush', ca: join(folder, 'ca.pem') } } } });
    expect(calls[1]![1]).toMatchObject({ body: { vault: 'main', source: { base: 'shop' } } });
    expect(JSON.stringify(calls)).not.toContain('passwordFile');
  });

  it.each([
    ['a key that nobody knows', whole.replace('prefix', 'prefixx'), 'line 3, column 78: pools[0].place has an unknown key prefixx'],
    ['a wrong type', whole.replace('name: main', 'name: 7'), 'line 6, column 5: vaults[0].name must be string'],
    ['no such kind', whole.replace('kind: command', 'kind: socket'), 'line 12, column 15: plans[0].source.kind must be'],
    ['what is left out', pool.replace('name: cos', 'remark: x'), 'line 2, column 5: pools[0] lacks name'],
    ['YAML that is none', `${whole}  - [`, 'line 13, column'],
    ['the same key twice', `${pool}pools: []`, 'line 5, column 1: Map keys must be unique'],
    ['the same name twice', whole + plan.replace('plans:\n', ''), 'line 13, column 5: malbork is there twice'],
    ['a vault that is nowhere', pool + vault + plan.replace('vault: main', 'vault: mian'), 'line 11, column 5: there is no vault mian'],
    ['a pool that is nowhere', vault, 'line 3, column 5: there is no pool cos'],
    ['a vault without a place for its key', whole.replace('    recoveryKeyFile: main.key\n', ''), 'recoveryKeyFile is missing'],
    ['a bucket without keys', whole.replace('    credentialsFile: cos.ini\n', ''), 'line 2, column 5: .*credentialsFile is missing'],
    ['a secret', whole.replace('credentialsFile: cos.ini', 'credentials: { accessKey: A }'), 'line 4, column 5: a secret is never written'],
    ['a schedule', whole.replace('vault: main\n', 'vault: main\n    schedule: "0 0 * * *"\n'), 'line 12, column 5: schedules do not exist'],
    ['a bad name', whole.replace('name: malbork', 'name: mal bork'), 'line 10, column 5: invalid name'],
    ['no expression', whole.replace("'END\\s*$'", "'('"), 'line 12, column 5: source.expectTail is no regular expression'],
    ['an address that is none', whole.replace('https://s3', 'ftp://s3'), 'line 3, column 24: .* is no http'],
    ['a freeze around a command', `${whole}    consistency: { freeze: true }\n`, 'line 13, column 20: a backup of command is its own'],
    [
      'a path that is not there',
      whole.replace(/source: .*/, 'source: { kind: files, paths: [/no/such] }'),
      'the path /no/such does not exist',
    ],
    ['an alias of nothing', whole.replace('vault: main', 'vault: *nothing'), 'Unresolved alias'],
    ['a base that is nowhere', whole.replace(/source: .*/, 'source: { kind: mysql, method: incremental, base: x }'), 'there is no plan x'],
  ])('S10 refuses %s, with its line and column and a hint', (_what, text, said) => {
    const { message, hint, code } = refusal(text);
    expect(code).toBe('APPLY_INVALID');
    expect(message).toMatch(new RegExp(said.replaceAll('[', '\\[').replaceAll(']', '\\]')));
    expect(message).toMatch(/plans\.yaml, line \d+, column \d+: /);
    expect(hint).toContain('Nothing was changed');
  });

  it('S10 refuses what cannot be changed', () => {
    expect(refusal(whole.replace('bucket: backups', 'bucket: other'), applied).message).toContain('a pool does not move');
    expect(refusal(whole.replace('pool: cos\n', 'pool: cos\n    capacityGb: 50\n'), applied).message).toContain('only be expanded');
    expect(refusal(pool.replace('name: cos', 'name: cos2'), applied).message).toContain('belongs to the pool cos');
    writeFileSync(join(folder, 'main.key'), '');
    expect(refusal(whole).code).toBe('FILE_EXISTS');
    rmSync(join(folder, 'main.key'));
  });

  it('S10 does not mind two plans that say they continue each other, nor several documents', () => {
    const loop = (name: string, base: string) => `  - { name: ${name}, source: { kind: mysql, method: incremental, base: ${base} } }\n`;
    expect(refusal(`${pool}${vault}plans:\n${loop('a', 'b')}${loop('b', 'a')}`).message).toContain('cannot be the base');
    expect(wordsOf(stepsOf(`${pool}---\n${vault}---\n---\n${plan}`))).toHaveLength(3);
    expect(stepsOf('')).toEqual([]);
    expect(stepsOf('plans:\n')).toEqual([]);
  });

  it('S10 takes what export prints: equal where it came from, whole where the secrets are given again', () => {
    const text = fileText(applied);
    expect(wordsOf(stepsOf(text, applied))).toEqual(['unchanged pool cos', 'unchanged vault main', 'unchanged plan malbork']);
    expect(refusal(text).message).toContain('credentialsFile is missing');
    const given = text.replaceAll(/# (credentialsFile|recoveryKeyFile)/g, '$1');
    expect(wordsOf(stepsOf(given))).toEqual(['created pool cos', 'created vault main', 'created plan malbork']);
  });
});
