// What `agentcli apply` would do with a file, and what it refuses before it does anything.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bucketPlace } from '../../../src/agent/bucket-place.ts';
import { completeSource } from '../../../src/agent/complete-source.ts';
import { checkDescription, checkName } from '../../../src/agent/names.ts';
import type { StillpointError } from '../../../src/base/errors.ts';
import { sideText } from '../../../src/cli/apply/change.ts';
import { readWanted } from '../../../src/cli/apply/read.ts';
import type { Known, Step } from '../../../src/cli/apply/step.ts';
import { stepsFor } from '../../../src/cli/apply/steps.ts';
import { fileText } from '../../../src/cli/apply/write.ts';
import { defaultConsistency } from '../../../src/model/consistency.ts';
import { planDefaults } from '../../../src/model/plan.ts';
import type { Client } from '../../../src/rpc/client.ts';

const folder = mkdtempSync(join(tmpdir(), 'apply-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'plans.yaml');
writeFileSync(join(folder, 'cos.ini'), 'access_key=AK\nsecret_key=SK\n');
writeFileSync(join(folder, 'db.pw'), 'hush\n');

const rules = { source: completeSource, bucket: bucketPlace, name: checkName, description: checkDescription };
const nothing: Known = { gateway: undefined, pools: [], policies: [], vaults: [], plans: [], tasks: [] };
const stepsOf = (text: string, known: Known = nothing, { renewSecrets = false, prune = false } = {}): readonly Step[] =>
  stepsFor(readWanted(text, file), { known, rules, renewSecrets }, prune);
const wordsOf = (steps: readonly Step[]) =>
  steps.map(({ action, kind, name, changes }) => [action, kind, name, ...changes.map(({ field }) => field)].join(' '));

/** The calls that the steps make. */
async function callsOf(steps: readonly Step[]): Promise<readonly (readonly [string, unknown])[]> {
  const calls: [string, unknown][] = [];
  const client = { call: async (name: string, input: unknown) => calls.push([name, input]) && { recoveryKey: 'the-key' } };
  for (const step of steps) await step.run(client as unknown as Client, () => undefined);
  return calls;
}

function refusal(
  text: string,
  known?: Known,
  options?: { readonly prune: boolean },
): { readonly message: string; readonly hint: string; readonly code: string } {
  try {
    stepsOf(text, known, options);
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
const policy = `policies:
  - name: nightly
    schedule: { hours: [2], everyDays: 2, zone: Europe/Berlin }
    retention: { count: 7 }
`;

/** As the agent has it after `whole` was applied. */
const applied = {
  ...nothing,
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
  vaults: [
    {
      id: 'v1',
      name: 'main',
      description: '',
      poolId: 'p1',
      poolName: 'cos',
      capacityGb: 100,
      type: 'any',
      protection: 'backup',
      spec: 'application-consistent',
      policyName: null,
      state: 'available',
      backups: 0,
    },
  ],
  plans: [
    {
      id: 'l1',
      name: 'malbork',
      description: '',
      vaultId: 'v1',
      vaultName: 'main',
      source: { kind: 'command', fileName: 'malbork', minBytes: 0, shell: 'dump', expectTail: 'END\\s*$' },
      consistency: defaultConsistency,
      policyName: null,
      rule: null,
      base: null,
      state: 'available',
      backups: 0,
      hasHeartbeat: false,
      ...planDefaults,
      timing: 'vault',
    },
  ],
} as unknown as Known;

/** The same with a policy that vault and plan go by. */
const ruled = {
  ...applied,
  policies: [
    {
      id: 'o1',
      name: 'nightly',
      enabled: true,
      rule: {
        schedule: { kind: 'hours', hours: [2], days: { every: 2, from: '2026-01-05' }, zone: 'Europe/Berlin' },
        retention: { kind: 'quantity', count: 7 },
        fullEveryDays: null,
      },
    },
  ],
  vaults: applied.vaults.map((known) => ({ ...known, policyName: 'nightly' })),
  plans: applied.plans.map((known) => ({ ...known, timing: 'policy', policyName: 'nightly' })),
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
      'changed plan malbork source.shell consistency.otherwise',
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
    expect(wordsOf(stepsOf(whole.replace(", expectTail: 'END\\s*$'", ''), applied))[2]).toBe('changed plan malbork source.expectTail');
    expect(wordsOf(stepsOf(pool, applied, { renewSecrets: true }))).toEqual(['changed pool cos credentials']);
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
    [
      'a key that nobody knows',
      whole.replace('prefix', 'prefixx'),
      'line 3, column 78: pools[0].place has an unknown key prefixx; did you mean prefix\\?',
    ],
    [
      'a key that is near none',
      whole.replace('pool: cos\n', 'pool: cos\n    colour: red\n'),
      'unknown key colour; it may have name, description.* \\(the line: colour: …\\)',
    ],
    ['a list that nobody knows', 'planz: []', 'the file has an unknown key planz; did you mean plans'],
    [
      'two letters swapped',
      `${policy.replace('retention', 'retentoin')}`,
      'policies[0] has an unknown key retentoin; did you mean retention\\?',
    ],
    ['a key of a timer', policy.replace('zone', 'zome'), 'policies[0].schedule has an unknown key zome; did you mean zone\\?'],
    ['cron that is none', policy.replace(/schedule: .*/, 'schedule: { cron: "61 * * * *" }'), 'line 3, column 5: invalid schedule'],
    ['words of two timers', policy.replace('everyDays: 2', 'everyDays: 2, cron: "0 1 * * *"'), 'give either a cron expression or hours'],
    ['a zone that is nowhere', policy.replace('Europe/Berlin', 'Europe/Atlantis'), 'line 3, column 5: there is no time zone'],
    ['retention out of range', policy.replace('count: 7', 'count: 1'), 'line 4, column 5: invalid retention'],
    ['two sorts of retention', policy.replace('count: 7', 'count: 7, months: 3'), 'line 4, column 5: invalid retention'],
    ['a policy that is nowhere', `${whole}    policy: nigthly\n`, 'line 13, column 5: there is no policy nigthly'],
    [
      'a manual plan with a timer',
      `${whole}    strategy: manual\n    schedule: { cron: "0 1 * * *" }\n`,
      'line 13, column 5: a manual plan has',
    ],
    ['a policy and a timer', `${policy}${whole}    policy: nightly\n    retention: { count: 3 }\n`, 'or a timer and retention of its own'],
    ['retention without a timer', `${whole}    retention: { count: 3 }\n`, 'retention needs a schedule beside it'],
    ['a window that is none', `${whole}    window: { from: "22:00", to: "22:00" }\n`, 'line 13, column 5: invalid backup window'],
    [
      'a vault of another type',
      whole.replace('pool: cos\n', 'pool: cos\n    type: disk\n'),
      'line 12, column 5: the vault main is for disk',
    ],
    [
      'a freeze in a vault that is not for it',
      whole.replace('pool: cos\n', 'pool: cos\n    spec: server\n').replace(/source: .*/, 'source: { kind: mysql, method: snapshot }'),
      'without application consistency',
    ],
    [
      'a resource in two vaults',
      `${whole}  - { name: again, vault: other, source: { kind: command, shell: dump } }\n`.replace(
        'vaults:\n',
        'vaults:\n  - { name: other, pool: cos, recoveryKeyFile: other.key }\n',
      ),
      'command dump is protected in the vault',
    ],
    [
      'a 257th resource',
      `${whole}${Array.from({ length: 256 }, (_, i) => `  - { name: p${i}, vault: main, source: { kind: command, shell: d${i} } }\n`).join('')}`,
      'there are 256 resources in the vault main already',
    ],
    [
      'a 33rd policy',
      `policies:\n${Array.from({ length: 33 }, (_, i) => `  - { name: p${i}, schedule: { cron: "0 1 * * *" } }\n`).join('')}`,
      'line 34, column 5: there are 32 backup policies already',
    ],
    ['a policy named none', policy.replace('nightly', 'none'), 'no policy can have the name none'],
    ['a heartbeat', `${whole}    heartbeat: { start: "https://x" }\n`, 'name the file that holds them with heartbeatFile'],
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
    [
      'a timer without words',
      whole.replace('vault: main\n', 'vault: main\n    schedule: "0 0 * * *"\n'),
      'plans[0].schedule must be object',
    ],
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

  it('S10 shows the line of a fault, but never what may be a secret', () => {
    expect(refusal(whole.replace('vault: main', 'vault: mian')).message).toContain('(the line: vault: mian)');
    for (const word of ['pasword', 'password', 'apiToken', 'hearbeat'])
      expect(refusal(`${whole}    ${word}: hunter2\n`).message, word).not.toContain('hunter2');
    expect(refusal(`${whole}    password: "hunter2\n`).message).not.toContain('hunter2');
  });

  it('S10 refuses what cannot be changed', () => {
    expect(refusal(whole.replace('bucket: backups', 'bucket: other'), applied).message).toContain('a pool does not move');
    const vaultWith = (line: string) => refusal(whole.replace('pool: cos\n', `pool: cos\n    ${line}\n`), applied).message;
    expect(vaultWith('capacityGb: 50')).toContain('only be expanded');
    expect(vaultWith('type: file')).toContain('line 8, column 5: the type of a vault stays as it was made: that of main is any');
    expect(vaultWith('spec: server')).toContain('is application-consistent and stays so');
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

  it('S10 applies policies: the steps are in order, and what the agent keeps is compared', async () => {
    const text = `${policy}${whole.replace('pool: cos\n', 'pool: cos\n    policy: nightly\n')}    policy: nightly\n`;
    const steps = stepsOf(text);
    expect(wordsOf(steps)).toEqual(['created pool cos', 'created policy nightly', 'created vault main', 'created plan malbork']);
    const calls = await callsOf(steps.slice(1));
    expect(calls.map(([name]) => name)).toEqual(['policyCreate', 'vaultCreate', 'policyApply', 'planCreate']);
    expect(JSON.stringify(calls[1])).not.toContain('nightly');
    expect(calls[2]![1]).toEqual({ params: { id: 'main' }, body: { policy: 'nightly' } });
    rmSync(join(folder, 'main.key'));

    expect(wordsOf(stepsOf(text, ruled))).toEqual(
      ['pool cos', 'policy nightly', 'vault main', 'plan malbork'].map((what) => `unchanged ${what}`),
    );
    // The day it counts from stays the agent's, also where something else of the timer changes.
    const [changed] = stepsOf(policy.replace('[2]', '[3]'), ruled);
    expect(changed!.changes.map(({ field, before, after }) => [field, sideText(field, before), sideText(field, after)])).toEqual([
      [
        'schedule',
        'at 02:00 every 2 days, counted from 2026-01-05 (Europe/Berlin)',
        'at 03:00 every 2 days, counted from 2026-01-05 (Europe/Berlin)',
      ],
    ]);
    expect((await callsOf([changed!]))[0]![1]).toMatchObject({ body: { schedule: { hours: [3], from: '2026-01-05' } } });
    const disabled = stepsOf(`${policy}    enabled: false\n`, ruled);
    expect(await callsOf(disabled)).toEqual([['policyUpdate', { params: { id: 'o1' }, body: { enabled: false } }]]);
    const without = stepsOf(whole.replace('pool: cos\n', 'pool: cos\n    policy: none\n'), ruled);
    expect(await callsOf(without)).toEqual([['policyRemove', { params: { id: 'v1' } }]]);
    expect(wordsOf(stepsOf(vault, ruled))).toEqual(['unchanged vault main']);
  });

  it('S10 settles when and how a plan runs field by field; what is not named stays', async () => {
    const extras = `    schedule: { cron: "0  1 * * *" }
    retention: { days: 99999 }
    window: { from: "22:00", to: "06:00" }
    hooks: { before: [quiet] }
    limits: { cpuPercent: 50 }
    maxAgeHours: 30
    heartbeatFile: beat
`;
    writeFileSync(join(folder, 'beat'), 'start=https://beat.example.org/token\n');
    const steps = stepsOf(whole + extras, applied);
    expect(wordsOf(steps)[2]).toBe('changed plan malbork window maxAgeHours schedule retention hooks.before limits.cpuPercent heartbeat');
    expect(JSON.stringify(steps)).not.toContain('token');
    const [[, { body }]] = (await callsOf(steps)) as [[string, { body: object }]];
    expect(body).toMatchObject({
      schedule: { cron: '0  1 * * *' },
      retention: { days: 99_999 },
      hooks: { before: ['quiet'] },
      limits: { cpuPercent: 50 },
      heartbeat: { start: 'https://beat.example.org/token' },
    });
    const kept = {
      ...applied.plans[0],
      timing: 'own',
      rule: {
        schedule: { kind: 'cron', expression: '0 1 * * *', zone: 'UTC' },
        retention: { kind: 'permanent' },
        fullEveryDays: null,
      },
      window: { from: '22:00', to: '06:00', zone: 'Asia/Tokyo' },
      hooks: { before: ['quiet'], after: ['loud'], failure: [] },
      limits: { readBytesPerSecond: 5, cpuPercent: 50 },
      maxAgeHours: 30,
      hasHeartbeat: true,
    } as unknown as Known['plans'][0];
    const there = { ...applied, plans: [kept] };
    rmSync(join(folder, 'beat'));
    expect(wordsOf(stepsOf(whole + extras, there))[2]).toBe('unchanged plan malbork');
    const back = stepsOf(`${whole}    strategy: manual\n    window: null\n    heartbeatFile: null\n`, there);
    expect(wordsOf(back)[2]).toBe('changed plan malbork window strategy heartbeat');
    expect(wordsOf(stepsOf(fileText(there), there))[2]).toBe('unchanged plan malbork');
    expect(fileText(there)).toContain('# heartbeatFile: malbork.heartbeat');
  });

  it('S10 removes nothing without --prune, and with it only what the lists leave out and nothing uses', async () => {
    const fewer = 'policies: []\nvaults: []\nplans: []\n';
    expect(stepsOf(fewer, ruled)).toEqual([]);
    expect(stepsOf('plans:\n', ruled, { prune: true })).toEqual([]);
    const steps = stepsOf(fewer, ruled, { prune: true });
    expect(wordsOf(steps)).toEqual(['removed plan malbork', 'removed vault main', 'removed policy nightly']);
    const prune = { prune: true };
    expect(refusal('policies: []', ruled, prune).message).toContain('policy nightly is used by the vault main, the plan malbork');
    expect(refusal('vaults: []', ruled, prune).message).toContain('vault main is used by the plan malbork');
    expect(refusal('pools: []', ruled, prune).message).toContain('pool cos is used by the vault main');
    // What the file changes is taken into account.
    const freed = `policies: []\n${vault}    policy: none\n${plan}    strategy: manual\n`;
    expect(wordsOf(stepsOf(freed, ruled, prune)).at(-1)).toBe('removed policy nightly');
    const [known] = ruled.plans as [Known['plans'][0]];
    expect(refusal('plans: []', { ...ruled, plans: [{ ...known, backups: 2 }] }, prune).message).toContain('used by 2 backups');
    const tasks = [{ id: 't1', type: 'backup', planId: 'l1', vaultId: 'v1' }] as const;
    expect(refusal('plans: []', { ...ruled, tasks }, prune).message).toContain('used by backup task t1');
    const log = { ...known, id: 'l2', name: 'log', base: 'malbork' };
    const followed = { ...ruled, plans: [known, log] };
    expect(wordsOf(stepsOf('plans: []', followed, prune))).toEqual(['removed plan log', 'removed plan malbork']);
  });

  it('S10 sets the gateway first of all, once', async () => {
    const text = `${pool}gateway: { address: "2001:DB8:0::1", bandwidth: 5 }\n`;
    const steps = stepsOf(text);
    expect(wordsOf(steps)).toEqual(['created gateway gateway', 'created pool cos']);
    const gateway = { name: 'gateway', address: '2001:db8::1', bandwidth: 5 } as NonNullable<Known['gateway']>;
    const there = { ...applied, gateway };
    expect(wordsOf(stepsOf(text, there))).toEqual(['unchanged gateway gateway', 'unchanged pool cos']);
    expect(await callsOf(stepsOf(text.replace('5 }', '0 }'), there))).toEqual([['gatewaySet', { body: { bandwidth: 0 } }]]);
    expect(wordsOf(stepsOf(fileText(there), there))[0]).toBe('unchanged gateway gateway');
    expect(refusal(`gateway: { bandwith: 5 }`).message).toContain('gateway has an unknown key bandwith; did you mean bandwidth?');
  });
});
