// A database as its operator backs it up and brings it back at night: agentcli, a running agent, a real MariaDB with a binary log.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Backup, Moments, Plan, Task } from '../../src/rpc/schemas.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { freePort } from '../beds/programs.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from './agent-bench.ts';
import { agentcliScript, type Ran, runFor } from './cli-run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const password = 'a-password-of-the-backup';

let top: string;
let home: string;
let server: SqlServer;
let agent: RunningAgent;
let base: Backup;

const agentcli = (...words: readonly string[]): Promise<Ran> => runFor(agent, top, [agentcliScript, ...words]);

async function json<T>(...words: readonly string[]): Promise<T> {
  const { code, out, err } = await agentcli(...words, '--json');
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out) as T;
}

async function refused(...words: readonly string[]): Promise<string> {
  const { err } = await agentcli(...words, '--json');
  return (JSON.parse(err) as { code: string }).code;
}

async function backUp(plan: string): Promise<Backup> {
  const task = await json<Task>('backup', 'run', plan, '--wait');
  return json<Backup>('backup', 'show', task.backupId!);
}

const access = () => ['--socket', server.socket, '--user', 'backup', '--password-file', join(top, 'password')];
const count = async (of: SqlServer, table = 'shop.orders') => Number((await of.sql(`SELECT COUNT(*) AS n FROM ${table}`))[0]!['n']);

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'db-e2e-'));
  chmodSync(top, 0o755); // as root, the new server runs as mysql
  home = newHome();
  mkdirSync(join(top, 'sql'));
  server = await startMariadb({ dir: join(top, 'sql'), options: { 'log-bin': 'bin', 'server-id': 7 } });
  await server.sql(
    `CREATE DATABASE shop; CREATE DATABASE other; CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, amount INT);
     CREATE TABLE shop.items (id INT PRIMARY KEY, name VARCHAR(40) CHARACTER SET utf8mb4);
     INSERT INTO shop.items VALUES (1, 'Käse'), (2, '🧀'); CREATE TABLE other.t (id INT PRIMARY KEY);
     INSERT INTO shop.orders (amount) SELECT seq FROM shop.seq_1_to_500;
     CREATE USER backup@localhost IDENTIFIED BY '${password}'; GRANT ALL ON *.* TO backup@localhost WITH GRANT OPTION`,
  );
  writeFileSync(join(top, 'password'), `${password}\n`, { mode: 0o600 });
  agent = await startAgent(home, { AGENT_TASK_SCRIPT: join(root, 'src/rdtask.ts') });
  await json('pool', 'bind', 'here', '--type', 'local', '--path', join(top, 'pool'), '--create');
  await json('vault', 'create', 'main', '--pool', 'here', '--recovery-key-file', join(top, 'main.key'));
}, 240_000);

afterAll(async () => {
  await agent?.stop();
  await server?.kill();
  removeHome(home);
  rmSync(top, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

it('S4 a plan of a database is made, shown and changed without ever telling its password', async () => {
  await json('plan', 'create', 'shop', '--source', 'mysql', ...access(), '--database', 'shop');
  const shown = await agentcli('plan', 'show', 'shop');
  expect(shown.out).toContain('mysql, method logical');
  expect(shown.out).toContain(`backup@${server.socket}`);
  const plan = await json<Plan>('plan', 'update', 'shop', '--description', 'all orders');
  expect(plan).toMatchObject({ method: 'logical', source: { kind: 'mysql', databases: ['shop'], server: { user: 'backup' } } });
  for (const file of ['agent.db', 'agent.db-wal'].map((name) => join(home, 'data', name)).filter(existsSync))
    expect(readFileSync(file, 'latin1')).not.toContain(password);
  expect(JSON.stringify(plan)).not.toContain(password);
});

it('S4 a backup of it is a backup, marked application-consistent, and its configuration holds no password', async () => {
  base = await backUp('shop');
  expect(base).toMatchObject({ state: 'available', source: 'mysql', method: 'logical', consistency: 'application', warnings: 0 });
  const config = (await agentcli('backup', 'cat', base.id, '/.stillpoint/agent.json')).out;
  expect(config).toContain('"shop"');
  expect(config).not.toContain(password);
});

it('B8 one table comes back into the server it came from; what is there is not touched unless told', async () => {
  expect(await refused('backup', 'restore', base.id, '--in-place', '--table', 'shop.orders', '--wait')).toBe('TARGET_EXISTS');
  await server.sql("DROP TABLE shop.orders; UPDATE shop.items SET name = 'changed since' WHERE id = 1");
  await json('backup', 'restore', base.id, '--in-place', '--table', 'shop.orders', '--wait');
  expect(await count(server)).toBe(500);
  expect((await server.sql('SELECT name FROM shop.items WHERE id = 1'))[0]).toEqual({ name: 'changed since' });
  await json('backup', 'restore', base.id, '--in-place', '--as', 'shop=shop_before', '--wait');
  expect((await server.sql('SELECT name FROM shop_before.items ORDER BY id')).map((row) => row['name'])).toEqual(['Käse', '🧀']);
  await server.sql('DROP DATABASE shop_before');
});

it('S7 the log is followed, and a server of its own shows a moment between two backups', async () => {
  await json('plan', 'create', 'shop-log', '--source', 'mysql', '--method', 'incremental', '--base', 'shop', ...access());
  expect(await refused('plan', 'delete', 'shop', '--yes')).toBe('IN_USE');
  const again = await backUp('shop');
  await server.sql('INSERT INTO shop.orders (amount) SELECT seq FROM shop.seq_1_to_20');
  const gtid = String(Object.values((await server.sql('SELECT @@GLOBAL.gtid_binlog_pos AS g'))[0]!)[0]);
  await server.sql('INSERT INTO shop.orders (amount) SELECT seq FROM shop.seq_1_to_30; DROP TABLE shop.items');
  expect(await backUp('shop-log')).toMatchObject({ method: 'incremental', state: 'available' });
  const moments = await json<Moments>('backup', 'restore', again.id, '--list');
  expect(moments.logs).toHaveLength(1);
  expect((await agentcli('backup', 'restore', again.id, '--list')).out).toContain('any moment until');

  const dir = join(top, 'copy');
  const port = await freePort();
  const words = ['backup', 'restore', again.id, '--new-instance', '--dir', dir, '--port', String(port), '--to-gtid', gtid, '--wait'];
  const { code, out, err } = await agentcli(...words);
  expect(err).not.toContain('error');
  expect(code).toBe(0);
  expect(out).toContain(`agentcli instance remove ${dir}`);
  const [instance] = (await json<{ items: { directory: string; port: number; connect: string }[] }>('instance', 'list')).items;
  expect(instance).toMatchObject({ directory: dir, port });
  const socket = (JSON.parse(readFileSync(join(dir, 'stillpoint-instance.json'), 'utf8')) as { socket: string; pid: number }).socket;
  const { createConnection } = await import('mysql2/promise');
  const session = await createConnection({ socketPath: socket, user: 'backup', password }).catch(() =>
    createConnection({ socketPath: socket, user: 'root' }),
  );
  const [rows] = await session.query('SELECT (SELECT COUNT(*) FROM shop.orders) AS orders, (SELECT COUNT(*) FROM shop.items) AS items');
  expect(rows).toEqual([{ orders: 520, items: 2 }]);
  await session.end();
  await json('instance', 'remove', dir, '--yes');
  expect(existsSync(dir)).toBe(false);
  expect((await json<{ items: unknown[] }>('instance', 'list')).items).toEqual([]);
});

it('B9 what cannot be is refused with a code of its own, and changes nothing', async () => {
  const dir = join(top, 'full');
  mkdirSync(dir);
  writeFileSync(join(dir, 'somebody'), 'else');
  const port = String(await freePort());
  expect(await refused('backup', 'restore', base.id, '--new-instance', '--port', port, '--wait')).toBe('USAGE_ARGUMENT');
  expect(await refused('backup', 'restore', base.id, '--new-instance', '--dir', dir, '--port', port, '--wait')).toBe('DIRECTORY_NOT_EMPTY');
  expect(await refused('plan', 'create', 'x', '--source', 'mysql', '--method', 'quantum')).toBe('USAGE_ARGUMENT');
  expect(await refused('plan', 'create', 'x', '--source', 'mysql', '--method', 'incremental')).toBe('USAGE');
  expect(await refused('plan', 'create', 'x', '--source', 'redis', '--path', '/etc')).toBe('USAGE_ARGUMENT');
  writeFileSync(join(top, 'wrong'), 'not this one\n', { mode: 0o600 });
  await json(
    'plan',
    'create',
    'locked-out',
    '--source',
    'mysql',
    '--socket',
    server.socket,
    '--user',
    'backup',
    '--password-file',
    join(top, 'wrong'),
  );
  expect(await refused('backup', 'run', 'locked-out', '--wait')).toBe('DATABASE_LOGIN');
  await json(
    'plan',
    'create',
    'nowhere',
    '--source',
    'mysql',
    '--socket',
    join(top, 'no-socket'),
    '--user',
    'backup',
    '--password-file',
    join(top, 'password'),
  );
  expect(await refused('backup', 'run', 'nowhere', '--wait')).toBe('DATABASE_DOWN');
  await json('plan', 'create', 'unknown', '--source', 'mysql', ...access(), '--database', 'no_such_database');
  expect(await refused('backup', 'run', 'unknown', '--wait')).toBe('DATABASE_UNKNOWN');
  expect(await refused('instance', 'remove', dir, '--yes')).toBe('NOT_FOUND');
  // A password does not follow a plan to another address.
  await json('plan', 'update', 'shop', '--socket', join(top, 'elsewhere'));
  await json('plan', 'update', 'shop', '--socket', server.socket);
  expect(await refused('backup', 'run', 'shop', '--wait')).toBe('DATABASE_LOGIN');
  expect(readFileSync(join(dir, 'somebody'), 'utf8')).toBe('else');
});

it('S4 the password is in no file of the agent', () => {
  const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(10);
  const holding = files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => readFileSync(path, 'latin1').includes(password));
  expect(holding).toEqual([]);
});
