// What a freeze has begun to freeze, written down before each step: AGENT_RUN/freeze/<id>/ledger.json. Whoever finds one whose rdfreeze is
// dead thaws what it names.
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';

export type LedgerEntry =
  | { readonly kind: 'application'; readonly name: string }
  | { readonly kind: 'file-system'; readonly point: string; readonly device: string }
  /** Which processes, lies in a file of its own beside the ledger. */
  | { readonly kind: 'writers' };

export interface Ledger {
  readonly id: string;
  readonly pid: number;
  /** With the boot's id it makes the pid unique (clock ticks since the boot, proc(5)). */
  readonly started: string;
  readonly boot: string;
  /** In the order of freezing. */
  readonly entries: readonly LedgerEntry[];
}

export interface OpenLedger {
  /** Returns when the entry can be read by others. Not durable: after a restart of the host nothing is frozen any more. */
  add(entry: LedgerEntry): void;
}

const fileName = 'ledger.json';

/** `folder`: AGENT_RUN/freeze/<id>, which is removed when everything is thawed. */
export function openLedger(folder: string, id: string): OpenLedger {
  const ledger: Ledger = { id, pid: process.pid, started: startOf(process.pid) ?? '', boot: bootId(), entries: [] };
  const entries: LedgerEntry[] = [];
  const write = () => {
    const temporary = join(folder, `${fileName}.tmp`);
    writeFileSync(temporary, JSON.stringify({ ...ledger, entries }), { mode: 0o600 });
    renameSync(temporary, join(folder, fileName));
  };
  write();
  return {
    add(entry) {
      entries.push(entry);
      write();
    },
  };
}

/** Folders below AGENT_RUN/freeze whose freezer is dead; one without a ledger had frozen nothing. */
export function deadFreezes(run: string): readonly { readonly folder: string; readonly ledger: Ledger }[] {
  const top = join(run, 'freeze');
  return foldersIn(top).flatMap((name) => {
    const folder = join(top, name);
    const ledger = readLedger(folder);
    if (ledger === undefined) return [];
    return isAlive(ledger) ? [] : [{ folder, ledger }];
  });
}

/** True while the host has not been restarted since. */
export const isOfThisBoot = (ledger: Ledger): boolean => ledger.boot === bootId();

function foldersIn(top: string): string[] {
  try {
    return readdirSync(top, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function readLedger(folder: string): Ledger | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, fileName), 'utf8')) as Ledger;
  } catch (error) {
    // Cut off by a power failure: that thawed everything, too.
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isAlive(ledger: Ledger): boolean {
  return isOfThisBoot(ledger) && startOf(ledger.pid) === ledger.started;
}

/** The 22nd field of /proc/PID/stat, counted after the name, which may hold blanks and brackets. Undefined for the dead, zombies too. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
