// Whether the tables of a new server are what they should be, as far as the server can tell at little cost: InnoDB has proven its pages by
// recovering, and every block was proven when it was read from the vault.
import type { Ask } from '../session.ts';

export interface Fault {
  /** `database.table` */
  readonly name: string;
  readonly reason: string;
}

/** Tables in one statement. */
const together = 50;

/** Tables that cannot be opened, and those of engines without a log that were open in the old server and are not whole. */
export async function faults(ask: Ask): Promise<readonly Fault[]> {
  return [...(await unopened(ask)), ...(await unclosed(ask))];
}

async function unopened(ask: Ask): Promise<readonly Fault[]> {
  const rows = await ask(
    `SELECT TABLE_SCHEMA AS d, TABLE_NAME AS t, TABLE_COMMENT AS why FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE IS NULL`,
  );
  return rows.map((row) => ({ name: `${row['d']}.${row['t']}`, reason: String(row['why']) }));
}

/** FAST passes over those that were closed; a sound one is marked as closed again. */
async function unclosed(ask: Ask): Promise<readonly Fault[]> {
  const rows = await ask(
    `SELECT TABLE_SCHEMA AS d, TABLE_NAME AS t FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE IN ('MyISAM', 'Aria')`,
  );
  const names = rows.map((row) => `${quoted(row['d'])}.${quoted(row['t'])}`);
  const found: Fault[] = [];
  for (let at = 0; at < names.length; at += together) {
    const said = await ask(`CHECK TABLE ${names.slice(at, at + together).join(', ')} FAST`);
    const wrong = said.filter((row) => String(row['Msg_type']).toLowerCase() === 'error');
    found.push(...wrong.map((row) => ({ name: String(row['Table']), reason: String(row['Msg_text']) })));
  }
  return found;
}

const quoted = (name: unknown): string => `\`${String(name).replaceAll('`', '``')}\``;
