// A real agent that tells: a web hook, a command, a mail and heartbeats of a plan whose backups fail and then do not.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Alert } from '../../src/ports/alarm-sink.ts';
import { type HttpReceiver, httpReceiver } from '../beds/http-receiver.ts';
import { type SmtpServer, smtpServer } from '../beds/smtp-server.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from './agent-bench.ts';
import { agentcliScript, type Ran, runFor } from './cli-run.ts';

const rdtask = new URL('../../src/rdtask.ts', import.meta.url).pathname;
const patient = { timeout: 40_000, interval: 100 };
let home: string;
let agent: RunningAgent;
let hook: HttpReceiver;
let beats: HttpReceiver;
let post: SmtpServer;
let environment: Record<string, string>;

const cli = (words: readonly string[], env: Record<string, string> = {}): Promise<Ran> =>
  runFor(agent, home, [agentcliScript, ...words], { env });
async function fine(...words: readonly string[]): Promise<string> {
  const { code, out, err } = await cli(words);
  expect([code, err]).toEqual([0, expect.not.stringContaining('error')]);
  return out;
}
const alerts = () => hook.heard.map(({ body }) => JSON.parse(body) as Alert);
const asked = () => beats.heard.map(({ path }) => path.split('/').at(-1));

beforeAll(async () => {
  home = newHome();
  hook = await httpReceiver();
  beats = await httpReceiver();
  post = await smtpServer({ login: 'backup:s3cret-pass' });
  const allow = join(home, 'allow.yaml');
  const pager = join(home, 'pager');
  writeFileSync(pager, `#!/bin/sh\ncat >> "${home}/paged/alerts"\n`, { mode: 0o755 });
  mkdirSync(join(home, 'paged'));
  chmodSync(join(home, 'paged'), 0o777);
  chmodSync(home, 0o755);
  writeFileSync(allow, `commands:\n  page: { argv: ["${pager}"], user: nobody }\n  rooted: { argv: [/bin/true], user: root }\n`, {
    mode: 0o644,
  });
  environment = { AGENT_TASK_SCRIPT: rdtask, AGENT_ALLOW: allow };
  agent = await startAgent(home, environment);
  mkdirSync(join(home, 'pool'));
  await agent.client.call('poolBind', { body: { name: 'disk', place: { type: 'local', path: join(home, 'pool') } } });
  await agent.client.call('vaultCreate', { body: { name: 'main' } });
  const heartbeat = { start: `${beats.url}/T0KEN/start`, success: `${beats.url}/T0KEN/success`, failure: `${beats.url}/T0KEN/failure` };
  const source = { kind: 'command', shell: `cat ${home}/dump`, fileName: 'data' } as const;
  await agent.client.call('planCreate', { body: { name: 'shop', source, heartbeat } });
});

afterAll(async () => {
  await agent?.stop('SIGKILL');
  for (const server of [hook, beats, post]) await server?.close();
  removeHome(home);
});

it('M2 receivers are added at the command line, tried, listed without secrets, and what cannot be is refused', async () => {
  const url = join(home, 'hook.url');
  const secret = join(home, 'smtp.pw');
  writeFileSync(url, `${hook.url}/T0KEN\n`);
  writeFileSync(secret, 's3cret-pass\n');
  await fine('alarm', 'sink', 'add', 'ops', '--kind', 'webhook', '--url-file', url, '--level', 'major');
  const mail = [
    '--kind',
    'mail',
    '--host',
    '127.0.0.1',
    '--port',
    String(post.port),
    '--tls',
    'none',
    '--user',
    'backup',
    '--secret-file',
    secret,
  ];
  await fine('alarm', 'sink', 'add', 'post', ...mail, '--from', 'backup@db1.test', '--to', 'ops@a.test', '--to', 'boss@b.test');
  await fine('alarm', 'sink', 'add', 'pager', '--kind', 'command', '--command', 'page');
  expect(await fine('alarm', 'test')).toMatch(/✓ ops took it\n✓ pager took it\n✓ post took it/);
  expect(alerts()).toMatchObject([{ kind: 'test' }]);
  expect(post.mails).toMatchObject([{ to: ['ops@a.test', 'boss@b.test'], login: 'backup:s3cret-pass' }]);
  const listed = (await fine('alarm', 'sink', 'list')) + (await fine('alarm', 'sink', 'list', '--json'));
  expect(listed).toMatch(/log .*log\/rdagent\.log/);
  expect(listed + readFileSync(join(home, 'log', 'rdagent.log'), 'utf8')).not.toMatch(/T0KEN|s3cret/);
  expect((await cli(['alarm', 'sink', 'add', 'r', '--kind', 'command', '--command', 'rooted'])).err).toMatch(
    /no alarm command runs as root/,
  );
  expect((await cli(['alarm', 'sink', 'add', 'r', '--kind', 'command', '--url', 'https://x'])).err).toMatch(
    /--url does not go with --kind command/,
  );
  expect((await cli(['alarm', 'sink', 'add', 'r', '--kind', 'mail', '--host', 'x'])).err).toMatch(/needs --from/);
});

it('M2 M3 a backup that fails raises an alarm, the next good one clears it; hook, mail, command and heartbeats hear of both', async () => {
  expect((await cli(['backup', 'run', 'shop', '--wait'])).code).not.toBe(0);
  await expect.poll(() => alerts().map(({ kind, type }) => `${kind} ${type}`), patient).toEqual(['test TEST', 'raise BACKUP_FAILED']);
  expect(await fine('alarm', 'list')).toMatch(/major .*stands .*plan shop .*BACKUP_FAILED/);
  const [standing] = (JSON.parse(await fine('alarm', 'list', '--json')) as { items: [{ id: string }] }).items;
  expect(await fine('alarm', 'ack', standing.id)).toMatch(/Acknowledged .*by /);
  writeFileSync(join(home, 'dump'), 'something');
  await fine('backup', 'run', 'shop', '--wait');
  await expect
    .poll(
      () =>
        alerts()
          .slice(1)
          .map(({ kind }) => kind),
      patient,
    )
    .toEqual(['raise', 'clear']);
  expect(alerts()[1]!.id).toBe(alerts()[2]!.id);
  await expect.poll(() => post.mails.length, patient).toBe(3);
  const paged = () =>
    existsSync(join(home, 'paged', 'alerts'))
      ? readFileSync(join(home, 'paged', 'alerts'), 'utf8')
          .trim()
          .split('\n')
      : [];
  await expect.poll(() => paged().map((line) => (JSON.parse(line) as Alert).kind), patient).toEqual(['test', 'raise', 'clear']);
  await expect.poll(() => asked().toSorted(), patient).toEqual(['failure', 'start', 'start', 'success']);
  expect((await cli(['alarm', 'list'])).err).toMatch(/all is well/);
  expect(await fine('alarm', 'list', '--all')).toMatch(/over .*BACKUP_FAILED/);
  const events = await fine('event', 'list', '--plan', 'shop');
  expect(events).toMatch(/info .*plan shop .*BACKUP_DONE[\s\S]*major .*BACKUP_FAILED/);
  expect(await fine('event', 'list', '--plan', 'shop', '--level', 'major')).not.toMatch(/BACKUP_DONE/);
});

it('M2 what a receiver did not take survives a kill of the agent', async () => {
  const { port } = new URL(hook.url);
  await hook.close();
  await agent.client.call('planUpdate', {
    params: { id: 'shop' },
    body: { source: { kind: 'command', shell: 'exit 7', fileName: 'data' } },
  });
  await cli(['backup', 'run', 'shop', '--wait']);
  await expect.poll(async () => fine('alarm', 'sink', 'list'), patient).toMatch(/ops .*1 .*ECONNREFUSED/);
  await agent.stop('SIGKILL');
  hook = await httpReceiver(undefined, undefined, Number(port));
  agent = await startAgent(home, environment);
  // The first pause is 10 s.
  await expect.poll(() => alerts().map(({ kind, type }) => `${kind} ${type}`), patient).toEqual(['raise BACKUP_FAILED']);
  await expect.poll(async () => fine('alarm', 'sink', 'list'), patient).not.toContain('ECONNREFUSED');
});

it('M2 a rule watches a metric of a plan, but not of a plan whose method is snapshot', async () => {
  await agent.client.call('planCreate', { body: { name: 'etc', source: { kind: 'files', paths: [home] } } });
  const rule = ['--metric', 'memory', '--above', '2G', '--for', '5m', '--level', 'major'];
  expect(await fine('alarm', 'rule', 'add', 'shop', ...rule)).toMatch(
    /memory above 2.00 GiB for 5:00 min is a major alarm of the plan shop/,
  );
  expect((await cli(['alarm', 'rule', 'add', 'etc', ...rule])).err).toMatch(/snapshot plans do not support monitoring alarms/);
  const [{ id }] = (JSON.parse(await fine('alarm', 'rule', 'list', '--plan', 'shop', '--json')) as { items: [{ id: string }] }).items;
  await fine('alarm', 'rule', 'remove', id);
  expect((await cli(['alarm', 'rule', 'list'])).err).toMatch(/no rule yet/);
});
