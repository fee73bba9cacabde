// A lost database: set aside what is left of it, make a new one from data/agent.keep, and read the catalogue from the vaults again.
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { errnoOf, fail } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Layout } from '../config/layout.ts';
import type { Sealer } from '../config/secrets.ts';
import type { Subject } from '../model/event.ts';
import type { OnDamage } from '../state/database.ts';
import { type Keepsake, makeDatabase, putBack, sightOf } from '../state/keepsake.ts';
import { migrations } from '../state/migrations.ts';
import { openState, type State } from '../state/state.ts';
import { atLeast, equals } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import { beginAnew } from './audit.ts';
import type { AgentContext } from './context.ts';
import { isBehind, type Kept, readKept, serialFact } from './keep-file.ts';
import type { TaskDesk } from './task-desk.ts';

export interface Opened {
  readonly state: State;
  readonly rebuilt: boolean;
}

/** What is still to be done after a rebuild. */
interface Rebuilt {
  /** ms since the epoch. */
  readonly at: number;
  readonly reason: string;
  /** Name of the set aside file; empty where there was none. */
  readonly aside: string;
  readonly told: boolean;
  /** Those whose records have not been read yet. */
  readonly unread: readonly string[];
}

const rebuiltFact = 'state.rebuilt';
/** Of SQLite's files, in the order in which they are set aside: once the first is gone, whatever is left is done again. */
const parts = ['', '-wal', '-shm'];
/** Damaged databases that are kept. */
const mostAside = 3;
/** How long after a failed scan (ms) the next one is tried. */
const scanAgainAfter = 10 * 60_000;

/** Before anything else is opened. Throws STATE_LOST (the file stays as it is), STATE_NEWER, STATE_FULL or STATE_DAMAGED. */
export function openStateOrRebuild(
  layout: Layout,
  sealer: Sealer,
  clock: Clock,
  log: Logger,
  onDamage: () => void = () => undefined,
): Opened {
  const { database: path } = layout;
  /** Once: the next start does not trust the file, and there had better be one soon. */
  let doubted = false;
  const doubt = (detail: string) => {
    if (doubted) return;
    doubted = true;
    log.error({ path, detail }, 'the database is damaged; the agent has to be started again');
    doubtDatabase(layout, detail);
    onDamage();
  };
  const kept = readKept(layout, sealer);
  const sight = sightOf(path);
  const damage = sight.damage ?? (sight.there ? saidDamaged(path) : undefined);
  if (damage === undefined && sight.agentId !== undefined) {
    const state = openState(path, doubt);
    if (typeof kept !== 'object' || !isBehind(state, kept)) return { state, rebuilt: false };
    state.close();
    return { state: rebuild(layout, sealer, clock, log, kept, 'it is older than data/agent.keep', doubt), rebuilt: true };
  }
  // An agent that never ran, or whose operator has cleared everything away on purpose.
  if (damage === undefined && kept === 'missing') {
    rmSync(doubtOf(path), { force: true });
    const state = openState(path, doubt);
    beginAnew({ state, sealer, layout });
    return { state, rebuilt: false };
  }
  if (typeof kept !== 'object') return fail('STATE_LOST', { path });
  return { state: rebuild(layout, sealer, clock, log, kept, damage ?? (sight.there ? 'it is empty' : 'it is gone'), doubt), rebuilt: true };
}

/** Each step can be done again after a SIGKILL: until the last rename there is no new database, and the kept file is only read. */
function rebuild(
  layout: Layout,
  sealer: Sealer,
  clock: Clock,
  log: Logger,
  { serial, keepsake }: Kept,
  reason: string,
  doubt: OnDamage,
): State {
  const { database: path } = layout;
  if (keepsake.schema > migrations.length) fail('STATE_NEWER', { path, version: keepsake.schema, known: migrations.length });
  const now = clock.now();
  const aside = `${path}.damaged-${new Date(now).toISOString().replace(/[-:.]/g, '')}`;
  log.error({ path, reason }, 'the database is lost; a new one is made from data/agent.keep');

  const fresh = `${path}.new`;
  for (const part of parts) rmSync(`${fresh}${part}`, { force: true });
  makeDatabase(fresh, keepsake.agentId);
  const state = openState(fresh);
  const unread = keepsake.vaults.map((vault) => vault.id);
  state.transaction(() => {
    putBack(state, keepsake, now);
    state.facts.set(serialFact, serial);
    const done: Rebuilt = { at: now, reason, aside: sightOf(path).there ? basename(aside) : '', told: false, unread };
    state.facts.set(rebuiltFact, done);
    beginAnew({ state, sealer, layout });
  });
  state.close();

  // A journal that stayed would be played into the new database.
  for (const part of parts) moveIfThere(`${path}${part}`, `${aside}${part}`);
  forgetOldest(path);
  renameSync(fresh, path);
  syncDirectory(dirname(path));
  rmSync(doubtOf(path), { force: true });
  log.warn({ ...countsOf(keepsake), aside }, 'a new database was made; the vaults will be read again');
  return openState(path, doubt);
}

/**
 * Tells of a rebuild and has every vault read, again until it worked; clears the alarm when the catalogue is whole. For the start, and for
 * every minute; nothing happens where nothing was lost.
 */
export function mendCatalogue({ state, clock, log, events, alarms }: AgentContext, desk: TaskDesk): void {
  const rebuilt = state.facts.get(rebuiltFact) as Rebuilt | null | undefined;
  if (!rebuilt) return;
  const subject: Subject = { kind: 'agent', id: '', name: hostname() };
  const set = rebuilt.aside ? ` What is left of it is data/${rebuilt.aside}.` : '';
  const content = `The agent's database was lost (${rebuilt.reason}). Pools, vaults and plans were put back from data/agent.keep, and the backups are read from the vaults.${set}`;
  const alarm = { subject, type: 'STATE_REBUILT', level: 'major', content } as const;
  if (!rebuilt.told) {
    log.warn({ reason: rebuilt.reason, vaults: rebuilt.unread.length }, 'the catalogue is read from the vaults');
    events.note(alarm);
    alarms.raise(alarm);
  }
  const unread = rebuilt.unread.filter((id) => !isRead(id, rebuilt));
  if (unread.length > 0) {
    state.facts.set(rebuiltFact, { ...rebuilt, told: true, unread } satisfies Rebuilt);
    return;
  }
  state.facts.set(rebuiltFact, null);
  const whole = `All vaults were read: the catalogue has ${state.backups.count()} backups again.`;
  events.note({ subject, type: 'STATE_WHOLE', level: 'info', content: whole });
  alarms.clear(subject, 'STATE_REBUILT');

  /** Starts a scan where none is under way. */
  function isRead(id: string, { at }: Rebuilt): boolean {
    const vault = state.vaults.get(id);
    if (!vault) return true;
    const scan = lastScan(id, at);
    if (scan && ['done', 'warnings'].includes(scan.state)) return true;
    if (scan && scan.state !== 'died' && (scan.endedAt === null || clock.now() - scan.endedAt < scanAgainAfter)) return false;
    // Names of our own lock files were lost, too; what restic calls stale is removed.
    const unlock = { type: 'vault-unlock', ownLocks: [], all: false } as const;
    if (!scan) desk.submit({ type: 'vault-unlock', name: vault.name, request: unlock, vaultId: id, first: true });
    desk.submit({ type: 'vault-scan', name: vault.name, request: { type: 'vault-scan' }, vaultId: id });
    return false;
  }

  function lastScan(vaultId: string, since: number): TaskRow | undefined {
    const filters = [equals('vault_id', vaultId), equals('type', 'vault-scan'), atLeast('created_at', since)];
    return state.tasks.where(filters, 'created_at DESC, rowid DESC', 1)[0];
  }
}

/** Damage that showed while the agent ran, perhaps in a page that a quick look passes: the next start does not trust the file. */
function doubtDatabase(layout: Layout, detail: string): void {
  writeFileSync(doubtOf(layout.database), detail, { mode: 0o600 });
}

const doubtOf = (path: string): string => `${path}.doubt`;

function saidDamaged(path: string): string | undefined {
  try {
    return `found while the agent ran: ${readFileSync(doubtOf(path), 'utf8').slice(0, 200)}`;
  } catch {
    return undefined;
  }
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function forgetOldest(path: string): void {
  const prefix = `${basename(path)}.damaged-`;
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(prefix));
  const times = [...new Set(names.map((name) => name.slice(prefix.length).replace(/-(wal|shm)$/, '')))].sort();
  for (const time of times.slice(0, -mostAside))
    for (const part of parts) rmSync(join(dirname(path), `${prefix}${time}${part}`), { force: true });
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function countsOf({ pools, vaults, plans, policies }: Keepsake) {
  return { pools: pools.length, vaults: vaults.length, plans: plans.length, policies: policies.length };
}
