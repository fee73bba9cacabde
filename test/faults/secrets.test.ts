// Unique secrets go through everything an operator does, with every error he can provoke, at the most talkative log level: afterwards none
// of them is written anywhere but in the file that was asked for.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { vaultAccess } from '../../src/agent/access.ts';
import { readConnection } from '../../src/config/connection.ts';
import { openSealer } from '../../src/config/secrets.ts';
import { openState } from '../../src/state/state.ts';
import { startBadProxy } from '../beds/bad-proxy.ts';
import { scripts, writeFiles } from '../beds/fault-home.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { findIn, findInFiles, watchProcesses } from '../beds/secret-watch.ts';
import { selfSigned } from '../beds/self-signed.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from '../e2e/agent-bench.ts';

const agentcli = fileURLToPath(new URL('../../scripts/agentcli', import.meta.url));

interface Ran {
  readonly code: number | null;
  readonly text: string;
}

let store: Radosgw;
let agent: RunningAgent;
const home = newHome();
const beds = mkdtempSync(join(tmpdir(), 'secrets-'));
const at = (name: string) => join(beds, name);
const secrets = new Map([
  ['the secret key', 'CanarySecretKey4f1e7b2c9d8a6e5f0a1b2c3d'],
  ['a wrong secret key', 'CanaryWrongKey99aa88bb77cc66dd55ee44ff33'],
  ['a session token', 'CanaryToken0011223344556677889900aabbcc'],
  ['a wrong recovery key', 'CANA-RYWR-ONGK-EYAA-BBCC-DDEE-FFGG-HHII'],
]);

beforeAll(async () => {
  store = await startRadosgw();
  const keys = ['--access-key=CanaryAccess', `--secret-key=${secrets.get('the secret key')}`];
  await store.admin('user', 'create', '--uid=canary', '--display-name=canary', ...keys);
  agent = await startAgent(home, { AGENT_TASK_SCRIPT: scripts.plain, AGENT_LOG_LEVEL: 'trace' });
  writeFiles(at('tree'), 0, 20, 60_000);
});
afterAll(async () => {
  await agent?.stop('SIGKILL');
  await store?.stop();
  removeHome(home);
  rmSync(beds, { recursive: true, force: true });
});

function cli(...words: readonly string[]): Promise<Ran> {
  const env = { PATH: process.env['PATH'], AGENT_HOME: home, AGENT_RUN: agent.layout.run };
  return new Promise((resolve) => {
    const child = spawn(agentcli, words, { env, stdio: ['ignore', 'pipe', 'pipe'], cwd: beds });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (text += part));
    child.on('close', (code) => resolve({ code, text }));
  });
}

/** A request with another certificate or another body than our client would send; answers what came back, errors too. */
function raw(body: string, identity: { readonly cert: string; readonly key: string }): Promise<string> {
  const { host, port, ca } = readConnection(agent.layout);
  const headers = { 'content-type': 'application/json' };
  return new Promise((resolve) => {
    const outgoing = request(
      { host, port, ca, path: '/v1/pools', method: 'POST', servername: 'localhost', agent: false, headers, ...identity },
      (answer) => {
        let text = `${answer.statusCode} `;
        answer.on('data', (part) => (text += part));
        answer.on('end', () => resolve(text));
      },
    );
    outgoing.on('error', (error) => resolve(error.message));
    outgoing.end(body);
  });
}

it('P2 P6 no secret is in a log, a command line, an environment, the database, an answer or an error', async () => {
  const secretKey = secrets.get('the secret key')!;
  const ini = (name: string, key: string, more = '') => {
    writeFileSync(at(name), `access_key=CanaryAccess\nsecret_key=${key}\n${more}`, { mode: 0o600 });
    return at(name);
  };
  const right = ini('right.ini', secretKey);
  const wrong = ini('wrong.ini', secrets.get('a wrong secret key')!);
  const token = ini('token.ini', secretKey, `session_token=${secrets.get('a session token')}\n`);
  writeFileSync(at('wrong.key'), `${secrets.get('a wrong recovery key')}\n`, { mode: 0o600 });
  writeFileSync(at('broken.ini'), `access_key=CanaryAccess\n${secretKey}\n`);
  const proxy = await startBadProxy(store.endpoint);
  const bind = (name: string, file: string, ...more: readonly string[]) =>
    cli('pool', 'bind', name, '--type', 's3', '--endpoint', proxy.endpoint, '--bucket', 'canaries', '--credentials-file', file, ...more);
  const watch = watchProcesses();
  const said: string[] = [];
  const does = async (running: Promise<Ran>) => {
    const { code, text } = await running;
    said.push(text);
    return { code, text };
  };
  const succeeds = async (running: Promise<Ran>) => {
    const ran = await does(running);
    expect(ran).toMatchObject({ code: 0 });
    return ran.text;
  };
  const fails = async (running: Promise<Ran>) => expect((await does(running)).code).not.toBe(0);

  try {
    // What works.
    await succeeds(bind('s3', right, '--create', '--json'));
    await succeeds(cli('vault', 'create', 'main', '--pool', 's3', '--recovery-key-file', at('main.key')));
    secrets.set('the recovery key', readFileSync(at('main.key'), 'utf8').trim());
    await succeeds(cli('plan', 'create', 'tree', '--source', 'files', '--path', at('tree')));
    await succeeds(
      cli(
        'plan',
        'create',
        'curious',
        '--source',
        'command',
        '--shell',
        'env; tr "\\0" "\\n" </proc/$PPID/cmdline; tr "\\0" "\\n" </proc/$PPID/environ',
      ),
    );
    await succeeds(cli('backup', 'run', 'tree', '--wait', '--json'));
    await succeeds(cli('backup', 'run', 'curious', '--wait'));
    const list = JSON.parse(await succeeds(cli('backup', 'list', '--json'))) as { items: { id: string; planName: string }[] };
    const id = list.items.find(({ planName }) => planName === 'tree')!.id;
    const curious = list.items.find(({ planName }) => planName === 'curious')!.id;
    await succeeds(cli('backup', 'restore', id, '--target', at('restored'), '--wait', '--yes'));
    await succeeds(cli('backup', 'cat', curious, '/curious'));
    await succeeds(cli('vault', 'recovery-key', 'main', '--recovery-key-file', at('second.key'), '--yes'));
    secrets.set('the second recovery key', readFileSync(at('second.key'), 'utf8').trim());
    await succeeds(cli('vault', 'check', 'main', '--read-data', '--wait'));
    const location = (JSON.parse(await succeeds(cli('vault', 'show', 'main', '--json'))) as { location: string }).location;
    await succeeds(cli('recover', 'list', location, '--credentials-file', right, '--recovery-key-file', at('second.key')));
    await succeeds(
      cli(
        'recover',
        'restore',
        location,
        id,
        '--target',
        at('recovered'),
        '--credentials-file',
        right,
        '--recovery-key-file',
        at('second.key'),
        '--yes',
      ),
    );

    // What does not.
    await fails(bind('again', wrong));
    await does(bind('token', token));
    await fails(bind('broken', at('broken.ini')));
    await fails(cli('pool', 'update', 's3', '--credentials-file', at('broken.ini')));
    await fails(cli('vault', 'attach', location, '--credentials-file', right, '--recovery-key-file', at('wrong.key'), '--name', 'other'));
    await fails(cli('vault', 'attach', location, '--credentials-file', wrong, '--recovery-key-file', at('second.key'), '--name', 'other'));
    await fails(cli('recover', 'list', location, '--credentials-file', right, '--recovery-key-file', at('wrong.key')));
    await fails(cli('recover', 'list', location, '--credentials-file', right, '--recovery-key-file', at('main.key')));
    // This store takes a token it did not ask for.
    await does(cli('recover', 'list', location, '--credentials-file', token, '--recovery-key-file', at('second.key')));
    const { cert, key } = readConnection(agent.layout);
    const credentials = { accessKey: 'CanaryAccess', secretKey };
    const body = { name: 'x', place: { type: 's3', endpoint: proxy.endpoint }, credentials, misspelt: 1 };
    said.push(await raw(JSON.stringify(body), selfSigned()), await raw(JSON.stringify(body), { cert, key }));
    said.push(await raw(JSON.stringify(body).slice(0, -4), { cert, key }), await raw(`{"secretKey":${secretKey}}`, { cert, key }));
    proxy.behave((seen) =>
      seen.method === 'PUT' && seen.url.includes('/data/') ? { type: 'status', status: 403, code: 'SignatureDoesNotMatch' } : undefined,
    );
    writeFiles(at('tree'), 20, 40, 60_000);
    await fails(cli('backup', 'run', 'tree', '--wait'));
    proxy.behave((seen) =>
      seen.method === 'GET' && seen.url.includes('/config') ? { type: 'status', status: 400, code: 'InvalidRequest' } : undefined,
    );
    await fails(cli('backup', 'run', 'tree', '--wait'));
    proxy.behave(() => undefined);
    rmSync(at('tree'), { recursive: true });
    await fails(cli('backup', 'run', 'tree', '--wait'));

    // What is told afterwards.
    for (const noun of ['pool', 'vault', 'plan', 'backup', 'task']) {
      const { items } = JSON.parse(await succeeds(cli(noun, 'list', '--json'))) as { items: { id: string }[] };
      for (const item of items.slice(0, 8)) await succeeds(cli(noun, 'show', item.id, '--json'));
    }
    await succeeds(cli('status', '--json'));
    said.push(JSON.stringify(await agent.client.call('config', {})));
    for (const task of (await agent.client.call('taskList', { query: {} })).items)
      for await (const event of agent.client.events(task.id)) said.push(JSON.stringify(event));
  } finally {
    await proxy.stop();
  }

  // The agent's own password for the vault, as only somebody with the installation's key can read it.
  cpSync(join(home, 'data'), at('data'), { recursive: true });
  const state = openState(join(at('data'), 'agent.db'));
  const access = vaultAccess({ state, sealer: openSealer(agent.layout.installationKey) }, state.vaults.find('main'));
  state.close();
  expect(access.pool.credentials?.secretKey).toBe(secretKey);
  secrets.set('the password of the agent', access.password);
  rmSync(at('data'), { recursive: true });

  const log = readFileSync(agent.layout.agentLog, 'utf8');
  expect(log).toContain('task started');
  expect(secrets.size).toBe(7);
  expect(findInFiles(secrets, home)).toEqual([]);
  expect(findIn(secrets, 'the standard output of the agent', agent.output())).toEqual([]);
  expect(said.flatMap((text, n) => findIn(secrets, `what was said at ${n}: ${text.slice(0, 200)}`, text))).toEqual([]);
  for (const folder of ['restored', 'recovered']) {
    expect(existsSync(at(folder))).toBe(true);
    expect(findInFiles(secrets, at(folder))).toEqual([]); // the agent's configuration is in each backup
  }
  watch.stop();
  const commands = [...watch.seen.values()].filter((where) => where.startsWith('cmdline')).length;
  expect(commands).toBeGreaterThan(40);
  expect([...watch.seen.keys()].filter((text) => text.includes('rdtask.ts')).length).toBeGreaterThan(0);
  expect([...watch.seen].flatMap(([text, where]) => findIn(secrets, `${where}: ${text.slice(0, 100)}`, text))).toEqual([]);
});

it('P2 the watch sees what another process shows', async () => {
  const watch = watchProcesses();
  const shown = new Map([['shown', 'CanaryShown77665544332211']]);
  const child = spawn('sleep', ['0.3'], {
    env: { PATH: process.env['PATH'], SHOWN: shown.get('shown') },
    argv0: `sleep-${shown.get('shown')}`,
  });
  await sleep(150);
  child.kill('SIGKILL');
  watch.stop();
  const kinds = [...watch.seen].filter(([text]) => findIn(shown, '', text).length > 0).map(([, where]) => where.split(' ')[0]);
  expect(kinds.sort()).toEqual(['cmdline', 'environ']);
  expect(findIn(shown, 'x', `before ${Buffer.from(shown.get('shown')!).toString('base64')} after`)).toHaveLength(1);
});
