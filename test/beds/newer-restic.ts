// restic 0.19 from Debian's forky suite, beside the system's own: downloaded once with apt's own tools and the host's own mirrors, kept
// below node_modules/.cache. Suites move on, so tests that need it are skipped with the reason where it cannot be had.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needPrograms, run } from './programs.ts';

const wanted = '0.19';
const suite = 'forky';
const cache = join(import.meta.dirname, '../../node_modules/.cache/stillpoint');
const program = join(cache, `restic-${wanted}`);

export interface NewerRestic {
  /** Path of the program; empty where it cannot be had. */
  readonly path: string;
  /** Why not. */
  readonly reason: string;
}

let asked: Promise<NewerRestic> | undefined;

export function newerRestic(): Promise<NewerRestic> {
  asked ??= find();
  return asked;
}

async function find(): Promise<NewerRestic> {
  try {
    if (!existsSync(program)) await fetchInto(program);
    const version = await run(program, ['version']);
    if (version.startsWith(`restic ${wanted}.`)) return { path: program, reason: '' };
    throw new Error(`${suite} has ${version.trim()}`);
  } catch (error) {
    const reason = `restic ${wanted} cannot be had: ${(error as Error).message}`;
    console.warn(reason);
    return { path: '', reason };
  }
}

async function fetchInto(path: string): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'newer-restic-'));
  try {
    for (const folder of ['lists/partial', 'cache/archives/partial', 'root']) mkdirSync(join(home, folder), { recursive: true });
    writeFileSync(join(home, 'status'), '');
    writeFileSync(join(home, 'debian.sources'), sources());
    const apt = [
      ...['-o', `Dir::Etc::SourceList=${join(home, 'debian.sources')}`, '-o', 'Dir::Etc::SourceParts=/dev/null'],
      ...['-o', `Dir::State::Lists=${join(home, 'lists')}`, '-o', `Dir::State::status=${join(home, 'status')}`],
      ...['-o', `Dir::Cache=${join(home, 'cache')}`, '-o', 'APT::Sandbox::User=', '-o', 'Acquire::Languages=none', '-qq'],
    ];
    await run('apt-get', [...apt, 'update'], { timeout: 90_000 });
    await run('apt-get', [...apt, 'download', 'restic'], { cwd: home, timeout: 60_000 });
    const deb = readdirSync(home).find((name) => name.endsWith('.deb'));
    if (deb === undefined) throw new Error('apt-get download left no package');
    await run('dpkg-deb', ['-x', join(home, deb), join(home, 'root')]);
    mkdirSync(cache, { recursive: true });
    await run('cp', [join(home, 'root/usr/bin/restic'), `${path}.${process.pid}`]);
    renameSync(`${path}.${process.pid}`, path); // another test process may be doing the same
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** The host's own Debian archive with another suite: deb822 stanzas or one-line entries. */
function sources(): string {
  const folder = '/etc/apt/sources.list.d';
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const text = (ending: string, more: readonly string[] = []) =>
    [...files.filter((file) => file.endsWith(ending)), ...more.filter(existsSync)].map((file) => readFileSync(file, 'utf8')).join('\n\n');
  for (const stanza of text('.sources').split(/\n\s*\n/)) {
    const field = (name: string) => new RegExp(`^${name}:[ \t]*(.*)$`, 'im').exec(stanza)?.[1]?.trim();
    if (!/^Types:.*\bdeb\b/im.test(stanza) || !isDebian(field('Suites')?.split(/\s+/)[0] ?? '')) continue;
    const signed = field('Signed-By');
    return `Types: deb\nURIs: ${field('URIs')}\nSuites: ${suite}\nComponents: main\n${signed ? `Signed-By: ${signed}\n` : ''}`;
  }
  for (const line of text('.list', ['/etc/apt/sources.list']).split('\n')) {
    const [, options = '', uri, of] = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+.*\bmain\b/.exec(line) ?? [];
    if (uri === undefined || !isDebian(of ?? '')) continue;
    const signed = /signed-by=(\S+)/.exec(options)?.[1];
    return `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\n${signed ? `Signed-By: ${signed}\n` : ''}`;
  }
  throw new Error('apt is set up with no Debian archive');
}

const isDebian = (name: string): boolean => ['bookworm', 'trixie', 'stable', 'forky', 'sid'].includes(name);

/** Debian 12's own restic, which tests cannot do without, and the newer one. */
export async function bothRestics(): Promise<readonly (NewerRestic & { readonly version: string })[]> {
  needPrograms(['restic'], 'restic');
  return [
    { version: '0.14', path: 'restic', reason: '' },
    { version: wanted, ...(await newerRestic()) },
  ];
}
