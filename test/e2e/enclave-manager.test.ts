// The page docs/recipes/enclave-manager.md, played: its YAML and its commands, against a real object store and, for CockroachDB, a real PostgreSQL.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Postgres, startPostgres } from '../beds/postgres.ts';
import { needPrograms } from '../beds/programs.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { type RunningAgent, startAgent } from './agent-bench.ts';
import { agentcliScript, type Ran, runFor } from './cli-run.ts';

const script = fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url));
const recipe = fileURLToPath(new URL('../../docs/recipes/enclave-manager', import.meta.url));
const page = readFileSync(`${recipe}.md`, 'utf8');

let top: string;
let postgres: Postgres;
let store: Radosgw;
let agent: RunningAgent;

const inTop = (name: string) => join(top, name);
const lever = (name: string) => inTop(`levers/${name}`);
const diary = () => readFileSync(inTop('diary'), 'utf8').trim().split('\n').filter(Boolean);

/** A cluster of three programs. Files in levers/ make them fail. */
function makeCluster(): void {
  for (const folder of ['bin', 'pod', 'levers', 'database']) mkdirSync(inTop(folder));
  const program = (name: string, text: string) => {
    writeFileSync(inTop(name), `#!/bin/bash\n${text}`);
    chmodSync(inTop(name), 0o755);
  };
  program(
    'bin/kubectl',
    `[ "$1" = exec ] || exit 64; shift
if [ "$1" = -i ]; then shift; else exec < /dev/null; fi
[ "$1 $2" = "enclave-enclaveos-cockroachdb-0 --" ] || exit 65; shift 2
echo exec >> '${inTop('diary')}'; cd '${inTop('pod')}'
# As kubectl does at times: the end is lost, and all is said to be well.
if [ -e '${lever('output-cut')}' ]; then "$@" | head -c 700; exit 0; fi
if [ -e '${lever('input-cut')}' ]; then head -c 700 | "$@"; exit; fi
"$@"
`,
  );
  program(
    'bin/helm',
    `[ "$1 $2 $3" = "upgrade enclave iks-charts/ibmcloud-data-shield" ] || exit 64
if [ -e '${lever('no-cluster')}' ]; then echo "Error: Kubernetes cluster unreachable" >&2; exit 1; fi
case "$*" in *ReplicaCount=0*) echo down;; *) echo up;; esac >> '${inTop('diary')}'
echo 'Release "enclave" has been upgraded.'
`,
  );
  program(
    'pod/cockroach',
    `export PGHOST='${postgres.socket}' PGPORT=${postgres.port} PGUSER=postgres PGPASSFILE='${inTop('pgpass')}'
what=$1; shift
[ $what = dump ] && exec pg_dump --inserts --no-owner "$1"
[ "$1" = --insecure ] || exit 64; shift
run() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
if [ "$1" = -d ]; then
  if [ -e '${lever('no-room')}' ]; then head -c 900 | run -d "$2"; echo "ERROR: no space left on store" >&2; exit 1; fi
  run -d "$2"; exit
fi
while [ "$1" = -e ]; do run -d postgres -c "\${2/ cascade/}" || exit 1; shift 2; done
`,
  );
  symlinkSync(agentcliScript, inTop('bin/agentcli'));
  writeFileSync(inTop('pgpass'), `*:*:*:postgres:${postgres.password}\n`, { mode: 0o600 });
}

beforeAll(async () => {
  needPrograms(['pg_dump', 'psql', 'flock'], 'postgresql-client util-linux');
  top = mkdtempSync(join(tmpdir(), 'enclave-'));
  chmodSync(top, 0o755);
  mkdirSync(inTop('pg'));
  postgres = await startPostgres({ dir: inTop('pg') });
  store = await startRadosgw();
  makeCluster();
  const path = `${inTop('bin')}:${process.env['PATH']}`;
  agent = await startAgent(inTop('agent'), { AGENT_TASK_SCRIPT: script, PATH: path });
  writeFileSync(inTop('cos.ini'), `AWS_ACCESS_KEY_ID=${store.accessKey}\nAWS_SECRET_ACCESS_KEY=${store.secretKey}\n`);
  const yaml = readFileSync(`${recipe}.yaml`, 'utf8').replace(/https:\/\/\S+appdomain\.cloud/, store.endpoint);
  expect(yaml).toContain(store.endpoint);
  writeFileSync(inTop('enclave-manager.yaml'), yaml);
  await postgres.sql('CREATE DATABASE malbork');
  await inMalbork(
    'CREATE TABLE nodes (id int PRIMARY KEY, sealed text NOT NULL)',
    "INSERT INTO nodes SELECT n, md5(n::text) || E'\\n''; -- ' FROM generate_series(1, 500) n",
    'CREATE TABLE apps (node int REFERENCES nodes (id), name text)',
    "INSERT INTO apps SELECT id, 'app ' || id FROM nodes WHERE id % 3 = 0",
  );
}, 120_000);

afterAll(async () => {
  await agent?.stop();
  await store?.stop();
  await postgres?.stop();
  rmSync(top, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

beforeEach(() => {
  rmSync(inTop('levers'), { recursive: true });
  mkdirSync(inTop('levers'));
  writeFileSync(inTop('diary'), '');
});

async function inMalbork(...statements: readonly string[]): Promise<string> {
  const words = statements.flatMap((statement) => ['-c', statement]);
  const door = { PGHOST: postgres.socket, PGPORT: String(postgres.port), PGUSER: 'postgres', PGPASSWORD: postgres.password };
  const ran = await runFor(agent, top, ['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', 'malbork', ...words], { env: door });
  return ran.code === 0 ? ran.out.trim() : Promise.reject(new Error(ran.err));
}

const state = () =>
  inMalbork(
    'SELECT md5(string_agg(n::text, chr(10) ORDER BY id)), count(*) FROM nodes n',
    'SELECT md5(string_agg(a::text, chr(10) ORDER BY node)) FROM apps a',
  );

/** The block of the page that holds these words, run by bash as it stands there. */
function play(words: string, env: Readonly<Record<string, string>> = {}, change = (text: string) => text): Promise<Ran> {
  const block = [...page.matchAll(/^```sh\n(.*?)^```/gms)].map(([, text = '']) => text).find((text) => text.includes(words));
  if (block === undefined) throw new Error(`the page has no such commands: ${words}`);
  return runFor(agent, top, ['bash', '-e', '-c', change(block)], { env: { PATH: `${inTop('bin')}:${process.env['PATH']}`, ...env } });
}

const backups = async () => (await agent.client.call('backupList', { query: { state: 'available' } })).items;
const restore = (change?: (text: string) => string) => backups().then(([{ id } = { id: '' }]) => play('--before', { ID: id }, change));
const damage = () => inMalbork("UPDATE nodes SET sealed = 'lost' WHERE id % 2 = 0", 'DROP TABLE apps');

describe('B10 the page of the Enclave Manager', () => {
  let before: string;

  it('B10 sets up and backs up, below the prefix of the bucket', async () => {
    before = await state();
    const ran = await play('agentcli apply');
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.out).toMatch(/created +pool +cos[\s\S]*created +vault +enclave-manager[\s\S]*created +plan +enclave-manager/);
    expect(readFileSync(inTop('enclave-manager.key'), 'utf8')).toMatch(/^\S+\n$/);
    const [vault] = (await agent.client.call('vaultList', { query: {} })).items;
    expect(vault?.location).toBe(
      `s3:${store.endpoint}/acme-enclave-manager-backups/enclave-manager/enclave-manager/${vault?.path.split('/')[1]}`,
    );
    expect(await backups()).toHaveLength(1);
    const again = await runFor(agent, top, [agentcliScript, 'apply', '-f', 'enclave-manager.yaml', '--json']);
    expect(JSON.parse(again.out).items.map(({ action }: { action: string }) => action)).toEqual(['unchanged', 'unchanged', 'unchanged']);
    expect((await play('vault check')).code).toBe(0);
  });

  it('B10 restores: scale to 0, recreate, load, scale up', async () => {
    await damage();
    const ran = await restore();
    expect(ran).toMatchObject({ code: 0 });
    expect(await state()).toBe(before);
    expect(diary()).toEqual(['down', 'exec', 'up']);
  });

  it('B10 rehearses with all steps, and runs none', async () => {
    await damage();
    const ran = await restore((text) => text.replace('--yes', '--dry-run'));
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/run +before the load, 1 of 1 \(helm\)\n.*write +bash .*\n.*run +after the load, 1 of 1 \(helm\)/);
    expect(diary()).toEqual([]);
    expect(await state().catch(() => 'damaged')).toBe('damaged');
  });

  it('B10 changes nothing when it cannot scale to 0', async () => {
    writeFileSync(lever('no-cluster'), '');
    const ran = await restore();
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(
      /nothing was loaded: the command before the load, 1 of 1 \(helm\) ended with 1: Error: Kubernetes cluster unreachable/,
    );
    expect(await inMalbork("SELECT count(*) FROM nodes WHERE sealed = 'lost'")).toBe('250');
    expect(diary()).toEqual([]);
  });

  it('B10 drops nothing for a dump that does not reach the pod whole', async () => {
    writeFileSync(lever('input-cut'), '');
    const ran = await restore();
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/the dump did not come whole; the commands after the load were not run/);
    expect(await inMalbork("SELECT count(*) FROM nodes WHERE sealed = 'lost'")).toBe('250');
    expect(diary()).toEqual(['down', 'exec']);
  });

  it('B10 does not scale up on half a database, and does it when run again', async () => {
    writeFileSync(lever('no-room'), '');
    const ran = await restore();
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/no space left on store; the commands after the load were not run/);
    expect(diary()).toEqual(['down', 'exec']);
    expect(await state().catch(() => 'half')).not.toBe(before);
    rmSync(lever('no-room'));
    expect((await restore()).code).toBe(0);
    expect(await state()).toBe(before);
    expect(diary()).toEqual(['down', 'exec', 'down', 'exec', 'up']);
  });

  it('B10 makes no backup of a dump that was cut off although kubectl says that all is well', async () => {
    writeFileSync(lever('output-cut'), '');
    const ran = await runFor(agent, top, [agentcliScript, 'backup', 'run', 'enclave-manager', '--wait']);
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('cut off');
    expect(await backups()).toHaveLength(1);
  });
});
