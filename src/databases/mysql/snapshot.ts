// The files of a server, found out by asking it: they are frozen, imaged and read as any files. What a new server must know of them goes along.
import { realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { fail } from '../../base/errors.ts';
import { systemClock } from '../../base/system-clock.ts';
import type { FactsByName } from '../../model/freeze.ts';
import type { LogMark, MysqlSource } from '../../model/service.ts';
import type { ServiceContext } from '../../ports/service.ts';
import type { Settled } from '../../ports/settled.ts';
import { filesOf } from './files.ts';
import { serverIdentity } from './identity.ts';
import type { ImageFacts } from './instance/image-facts.ts';
import { asking, settingsOf } from './physical/access.ts';
import { label, needRights, pairs, readServer } from './server.ts';
import { serverFacts } from './server-facts.ts';
import type { Ask } from './session.ts';

/** In the backup below /.stillpoint. */
const imageFile = 'mysql.json';

/** Throws USAGE, DATABASE_… errors; DATABASE_ELSEWHERE where its files do not lie on this host. */
export async function mysqlSnapshot({ server: address }: MysqlSource, { signal }: ServiceContext): Promise<Settled> {
  const settings = settingsOf(address);
  const at = systemClock.now();
  const { paths, facts, identity } = await asking(settings, signal, (ask) => imageOf(ask, settings.user));
  return {
    found: true,
    source: { kind: 'files', paths, excludes: [], excludeFiles: [], oneFileSystem: false, excludeCaches: false },
    files: [{ name: imageFile, text: JSON.stringify(facts) }],
    logMarkOf: (frozen) => markOf(frozen, identity, at),
  };
}

/** What the freeze told, if it can only have been this server's and commits waited. */
function markOf(frozen: FactsByName, server: string, at: number): LogMark | undefined {
  const [only, another] = Object.values(frozen).filter((facts) => facts['position'] === 'exact');
  if (!only || another) return undefined;
  const { gtid } = only;
  return { place: `${only['binary-log-file']}:${only['binary-log-position']}`, ...(gtid !== undefined && { gtid }), at, server };
}

interface Image {
  readonly paths: readonly string[];
  readonly facts: ImageFacts;
  /** Whose log it is. */
  readonly identity: string;
}

async function imageOf(ask: Ask, user: string): Promise<Image> {
  const server = await readServer(ask);
  needRights(server, user, [{ names: ['PROCESS'], what: 'see where its tablespaces lie' }]);
  const away = (detail: string): never => fail('DATABASE_ELSEWHERE', { database: label(server), detail });
  const places = await filesOf(ask, server);
  const seen: string[] = [];
  for (const place of places) {
    if (!('path' in place)) away(`${place.holds} cannot be found: ${place.unseen}`);
    else seen.push(await realpath(place.path).catch((error: Error) => away(`${place.holds} is not on this host: ${error.message}`)));
  }
  const arranged = await arrange(
    ask,
    places.flatMap((place) => ('path' in place && place.holds === 'tables' ? [place.path] : [])),
  );
  const paths = [...new Set(seen)].filter((path) => !seen.some((other) => other !== path && isBelow(path, other))).sort();
  const identity = await serverIdentity(ask, server);
  return { paths, identity, facts: { format: 1, method: 'snapshot', ...(await serverFacts(ask, server)), ...arranged } };
}

const isBelow = (path: string, folder: string): boolean => {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith('..') && !isAbsolute(way);
};

/** Options that name a directory. */
const folders = ['innodb_log_group_home_dir', 'innodb_undo_directory', 'innodb_doublewrite_dir', 'aria_log_dir_path'];
const others = ['datadir', 'innodb_data_home_dir', 'innodb_data_file_path', 'log_bin', 'log_bin_basename'];

/** `links`: what in the data directory is a symbolic link to tables elsewhere. */
async function arrange(ask: Ask, links: readonly string[]): Promise<Pick<ImageFacts, 'moves' | 'elsewhere' | 'options' | 'binlog'>> {
  const names = [...folders, ...others].map((name) => `'${name}'`).join(', ');
  const variables = pairs(await ask(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`));
  const set = (name: string) => variables.get(name) ?? '';
  const said = resolve(set('datadir'));
  const data = await realpath(said);
  const moves = new Map([[data, 'data']]);
  const options: Record<string, string> = {};

  /** Where a directory of the old server is below the new one's. */
  const below = async (path: string): Promise<string> => {
    const real = await realpath(resolve(said, path));
    if (real === data) return 'data';
    if (isBelow(real, data)) return join('data', relative(data, real));
    const known = moves.get(real);
    if (known) return known;
    const made = `other/${moves.size}`;
    moves.set(real, made);
    return made;
  };
  for (const name of folders) {
    const to = set(name) === '' ? 'data' : await below(set(name));
    if (to !== 'data') options[name] = `@/${to}`;
  }
  const system = await Promise.all(
    set('innodb_data_file_path')
      .split(';')
      .filter((part) => part.trim() !== '')
      .map(async (part) => {
        const [file = '', ...rest] = part.trim().split(':');
        const path = resolve(said, set('innodb_data_home_dir'), file);
        return { to: await below(dirname(path)), text: [basename(path), ...rest].join(':') };
      }),
  );
  if (system.some(({ to }) => to !== 'data')) {
    options['innodb_data_home_dir'] = '';
    options['innodb_data_file_path'] = system.map(({ to, text }) => `@/${to}/${text}`).join(';');
  }
  const logs = set('log_bin') === 'ON' ? set('log_bin_basename') : '';
  const binlog = logs === '' ? undefined : { folder: await below(dirname(logs)), name: basename(logs) };
  for (const link of links) moves.set(await realpath(link), join('data', relative(said, link)));
  const elsewhere = await filesElsewhere(ask, said);
  return { moves: [...moves].map(([from, to]) => ({ from, to })), elsewhere, options, ...(binlog && { binlog }) };
}

/** Tablespaces that lie elsewhere by `DATA DIRECTORY` and the like. */
async function filesElsewhere(ask: Ask, data: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [view, column] of [
    ['INNODB_SYS_TABLESPACES', 'FILENAME'],
    ['INNODB_SYS_DATAFILES', 'PATH'],
    ['INNODB_DATAFILES', 'PATH'],
  ] as const) {
    const rows = await ask(`SELECT ${column} AS path FROM information_schema.${view} WHERE ${column} LIKE '/%.ib_'`).catch(() => []);
    found.push(...rows.map((row) => String(row['path'])));
  }
  return [...new Set(found)].filter((path) => !isBelow(path, data));
}
