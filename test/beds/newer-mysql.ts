// Oracle's MySQL from Debian's sid suite, beside the system's MariaDB: downloaded once with all that it needs by apt's own tools from the host's
// own mirror, unpacked below node_modules/.cache and run with its own loader. Where it cannot be had, tests are skipped with the reason.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SqlServer, type SqlServerOptions, whenItAnswers } from './mariadb.ts';
import { run, startServer } from './programs.ts';

const suite = 'sid';
const cache = join(import.meta.dirname, '../../node_modules/.cache/stillpoint');
const root = join(cache, 'mysql');
const libraries = 'usr/lib/x86_64-linux-gnu';
const loader = [join(root, libraries, 'ld-linux-x86-64.so.2'), '--library-path', join(root, libraries), join(root, 'usr/sbin/mysqld')];

export interface NewerMysql {
  /** `9.7.4`; empty where it cannot be had. */
  readonly version: string;
  /** Why not. */
  readonly reason: string;
}

let asked: Promise<NewerMysql> | undefined;

export function newerMysql(): Promise<NewerMysql> {
  asked ??= find();
  return asked;
}

async function find(): Promise<NewerMysql> {
  try {
    if (!existsSync(root)) await fetchInto(root);
    const text = await run(loader[0]!, [...loader.slice(1), '--no-defaults', '--version']);
    const version = /Ver (\d+\.\d+\.\d+)/.exec(text)?.[1];
    if (version === undefined) throw new Error(`${suite} has ${text.trim()}`);
    return { version, reason: '' };
  } catch (error) {
    const reason = `MySQL cannot be had: ${(error as Error).message}`;
    console.warn(reason);
    return { version: '', reason };
  }
}

/** As startMariadb(): root without a password, a data folder that holds a database is started as it is. */
export async function startNewerMysql({ dir, options = {} }: SqlServerOptions): Promise<SqlServer> {
  const data = String(options['datadir'] ?? join(dir, 'data'));
  const conf = join(dir, 'my.cnf');
  const lines = Object.entries({ 'skip-networking': true, ...options }).map(([name, value]) =>
    value === true ? name : `${name} = ${value}`,
  );
  mkdirSync(dir, { recursive: true });
  writeFileSync(conf, `[mysqld]\ndatadir = ${data}\nsocket = ${join(dir, 'socket')}\n${lines.join('\n')}\n`);
  const own = [`--defaults-file=${conf}`, `--basedir=${join(root, 'usr')}`, `--lc-messages-dir=${join(root, 'usr/share/mysql')}`];
  const args = [...loader.slice(1), ...own, '--user=root', '--secure-file-priv=', '--mysqlx=OFF', `--pid-file=${join(dir, 'pid')}`];
  if (!existsSync(join(data, 'mysql.ibd'))) await run(loader[0]!, [...args, '--initialize-insecure'], { timeout: 120_000 });
  const log = join(dir, 'log');
  return whenItAnswers(startServer(loader[0]!, args, log), join(dir, 'socket'), log);
}

async function fetchInto(path: string): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'newer-mysql-'));
  const unpacked = `${path}.${process.pid}`;
  try {
    for (const folder of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(home, folder), { recursive: true });
    writeFileSync(join(home, 'status'), '');
    writeFileSync(join(home, 'debian.sources'), sources());
    const apt = [
      ...['-o', `Dir::Etc::SourceList=${join(home, 'debian.sources')}`, '-o', 'Dir::Etc::SourceParts=/dev/null'],
      ...['-o', `Dir::State::Lists=${join(home, 'lists')}`, '-o', `Dir::State::status=${join(home, 'status')}`],
      ...['-o', `Dir::Cache=${join(home, 'cache')}`, '-o', 'APT::Sandbox::User=', '-o', 'Acquire::Languages=none', '-qq'],
    ];
    await run('apt-get', [...apt, 'update'], { timeout: 90_000 });
    const install = ['--download-only', '-y', '--no-install-recommends', 'install', 'mysql-server-core'];
    await run('apt-get', [...apt, ...install], { timeout: 180_000 });
    mkdirSync(unpacked, { recursive: true });
    const archives = join(home, 'cache/archives');
    for (const deb of readdirSync(archives).filter((name) => name.endsWith('.deb')))
      await run('dpkg-deb', ['-x', join(archives, deb), unpacked]);
    if (!existsSync(path)) renameSync(unpacked, path); // another test process may have done the same
  } finally {
    rmSync(home, { recursive: true, force: true });
    rmSync(unpacked, { recursive: true, force: true });
  }
}

/** The host's own Debian archive with another suite, from the deb822 stanza that names it. */
function sources(): string {
  const folder = '/etc/apt/sources.list.d';
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.sources')) : [];
  for (const stanza of files.flatMap((name) => readFileSync(join(folder, name), 'utf8').split(/\n\s*\n/))) {
    const field = (name: string) => new RegExp(`^${name}:[ \t]*(.*)$`, 'im').exec(stanza)?.[1]?.trim();
    if (!/^Types:.*\bdeb\b/im.test(stanza) || !/^(bookworm|trixie|stable|forky|sid)\b/.test(field('Suites') ?? '')) continue;
    const signed = field('Signed-By');
    return `Types: deb\nURIs: ${field('URIs')}\nSuites: ${suite}\nComponents: main\n${signed ? `Signed-By: ${signed}\n` : ''}`;
  }
  throw new Error('apt is set up with no Debian archive');
}
