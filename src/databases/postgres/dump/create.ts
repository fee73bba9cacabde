// A database as it was: its encoding and locale, then what stands outside of its dump.
import type { Asker } from '../address.ts';
import { ident, literal } from '../text.ts';
import type { DatabaseFacts, ServerFacts } from './facts.ts';

/** Empty, under `name`, closed to nobody yet. */
export async function createDatabase(session: Asker, name: string, facts: DatabaseFacts, { number }: ServerFacts): Promise<void> {
  const { encoding, collate, ctype, provider, locale } = facts;
  const words = [
    `CREATE DATABASE ${ident(name)} TEMPLATE template0 ENCODING ${literal(encoding)}`,
    `LC_COLLATE ${literal(collate)} LC_CTYPE ${literal(ctype)}`,
  ];
  if (number >= 150_000) words.push(`LOCALE_PROVIDER ${provider === 'i' ? 'icu' : provider === 'b' ? 'builtin' : 'libc'}`);
  if (locale !== null && provider === 'i') words.push(`ICU_LOCALE ${literal(locale)}`);
  if (locale !== null && provider === 'b') words.push(`BUILTIN_LOCALE ${literal(locale)}`);
  await session.ask(`create the database ${facts.name}`, words.join(' '));
}

/** Settings whose values are lists of names, quoted where they need it already. */
const lists = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
]);

/** Owner, comment, rights, settings. */
export async function finishDatabase(session: Asker, name: string, facts: DatabaseFacts): Promise<void> {
  const it = ident(name);
  const statements = [`ALTER DATABASE ${it} OWNER TO ${ident(facts.owner)}`, `ALTER DATABASE ${it} CONNECTION LIMIT ${facts.limit}`];
  if (facts.comment !== null) statements.push(`COMMENT ON DATABASE ${it} IS ${literal(facts.comment)}`);
  if (facts.rights) {
    statements.push(`REVOKE ALL ON DATABASE ${it} FROM PUBLIC`, `REVOKE ALL ON DATABASE ${it} FROM ${ident(facts.owner)}`);
    for (const { grantee, right, grantable } of facts.rights) {
      const who = grantee === '' ? 'PUBLIC' : ident(grantee);
      statements.push(`GRANT ${right} ON DATABASE ${it} TO ${who}${grantable ? ' WITH GRANT OPTION' : ''}`);
    }
  }
  for (const { role, config } of facts.settings) {
    for (const setting of config) {
      const at = setting.indexOf('=');
      const [key, value] = [setting.slice(0, at), setting.slice(at + 1)];
      const subject = role === '' ? `DATABASE ${it}` : `ROLE ${ident(role)} IN DATABASE ${it}`;
      const text = lists.has(key) && value !== '' ? value : literal(value);
      statements.push(`ALTER ${subject} SET ${key.split('.').map(ident).join('.')} TO ${text}`);
    }
  }
  for (const sql of statements) await session.ask(`set up the database ${facts.name}`, sql);
}
