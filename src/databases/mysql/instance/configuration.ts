// The my.cnf of a new server: its own place and port, and what the old one had set that its files depend on.
import { basename } from 'node:path';
import { quoted } from '../physical/access.ts';
import type { ServerFacts } from '../server-facts.ts';
import type { Layout } from './layout.ts';

/** Variables that go by the same name as options; those behind `loose-` are not in every version. */
const sameName = [
  'character_set_server',
  'collation_server',
  'default_storage_engine',
  'explicit_defaults_for_timestamp',
  'innodb_data_file_path',
  'innodb_page_size',
  'loose-innodb_checksum_algorithm',
  'loose-innodb_undo_tablespaces',
  'lower_case_table_names',
  'max_allowed_packet',
  'sql_mode',
];

export type Options = Readonly<Record<string, string | undefined>>;

/** `more`: options that come last and win. */
export function configurationText(layout: Layout, port: number, settings: ServerFacts['settings'], more: Options = {}): string {
  const kept = sameName.map((name) => [name, settings[name.replace('loose-', '')]] as const);
  const zone = settings['time_zone'];
  const options: Options = {
    ...Object.fromEntries(kept),
    default_time_zone: zone === 'SYSTEM' ? undefined : zone,
    datadir: layout.data,
    socket: layout.socket,
    tmpdir: layout.tmp,
    'pid-file': `${layout.run}/pid`,
    port: String(port),
    'bind-address': '127.0.0.1',
    // A server made from another one must not do that one's work: neither replicate nor run its events.
    'loose-skip-slave-start': 'ON',
    'loose-skip-replica-start': 'ON',
    event_scheduler: 'OFF',
    'loose-mysqlx': 'OFF',
    // Nor put tables into the directories that it has for some of them: DATA DIRECTORY is passed over.
    'loose-symbolic-links': 'OFF',
    ...more,
  };
  const lines = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`${name} = ${quoted(value)}`]));
  return `# Written by Stillpoint for a server that was started from a backup.\n[mysqld]\nskip-log-bin\n${lines.join('\n')}\n`;
}

/** `ibdata1:12M;/disk2/ibdata2:50M:autoextend` with all files in the data directory. */
export const withoutFolders = (dataFilePath: string): string =>
  dataFilePath
    .split(';')
    .map((part) => {
      const [file = '', ...rest] = part.trim().split(':');
      return [basename(file), ...rest].join(':');
    })
    .join(';');
