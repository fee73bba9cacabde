// A PostgreSQL cluster in backup mode, which is no stop of writes: a point in time comes from one atomic snapshot of data, WAL and
// tablespaces, restored WITHOUT backup_label by plain crash recovery. The label and the two LSNs are facts, for copies that are not atomic
// and need every WAL segment from start to stop.
import type { Clock } from '../../base/clock.ts';
import { fail, failure, isCode } from '../../base/errors.ts';
import { systemClock } from '../../base/system-clock.ts';
import type { FreezeFacts, Quiescer } from '../../ports/quiescer.ts';
import { type FreezeWindow, freezeWindow, within } from '../bounds.ts';
import { detailOf, openBoth, proofRows } from '../sessions.ts';
import { orUndone, sharedThaw } from '../thaw.ts';
import { postgresFailure } from './failures.ts';
import { lookAtServer, type Server } from './look.ts';
import { type Connect, connectPostgres, type Session } from './session.ts';
import type { Access } from './settings.ts';
import type { Commands } from './statements.ts';

export interface Means {
  readonly clock?: Clock;
  readonly connect?: Connect;
}

/** Times in ms. A thaw takes at most stop + gone + reconnect + gone. */
const patience = { ask: 1500, stop: 2000, gone: 800, reconnect: 800 };

interface Backup {
  /** The session that the backup hangs on; nothing else is asked in it, for that would start its idle limit anew. */
  readonly hold: Session;
  /** Opened beforehand: none can be opened while a file system is frozen. */
  watch: Session;
  /** The hold as the server knows it: process and the time when it began. */
  readonly key: readonly [pid: number, begun: string];
  readonly deadline: number;
  server?: Server;
  started: boolean;
}

export function postgresQuiescer(access: Access, tell: (line: string) => void, means: Means = {}): Quiescer {
  const name = 'postgres';
  const { clock = systemClock, connect = connectPostgres } = means;
  let backup: Backup | undefined;

  const thaw = sharedThaw(async (): Promise<FreezeFacts> => {
    if (!backup) return {};
    const facts = backup.started && !backup.hold.lost() ? await stop(backup, tell) : {};
    await end(name, access, backup, connect);
    backup = undefined;
    return facts;
  });

  return {
    name,
    thaw,

    async freeze(limit) {
      if (backup) fail('FREEZE_FAILED', { name, detail: 'it was not thawed since the last freeze' });
      const window = freezeWindow(name, limit, clock);
      const mine = await open(access, connect, window, limit.deadline);
      backup = mine;
      const explain = (error: unknown) => postgresFailure(error, access, 'start a backup');
      return orUndone(() => start(access, mine, window, tell), thaw, tell, explain);
    },

    async held() {
      const lose = (detail: string) => failure('FREEZE_LOST', { name, detail });
      if (!backup?.started) throw lose('no backup was started');
      const { hold, watch, key, deadline, server } = backup;
      if (hold.lost()) throw lose(`the session of the backup ended: ${hold.lost()}`);
      const rows = await proofRows(name, watch, watch.query(alive, key), patience.ask);
      if (rows.length === 0) throw lose('the session of the backup is gone from the server');
      if (rows[0]!['standby'] !== server!.standby) throw lose('the standby was promoted');
      if (clock.boottime() > deadline) throw lose('its limit has passed');
    },
  };
}

const alive = `SELECT pg_is_in_recovery() AS standby FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2`;
const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2`;

/** The hold by its process and its begin: process ids come again. */
const self = 'SELECT pid, backend_start::text AS begun FROM pg_stat_activity WHERE pid = pg_backend_pid()';

async function open(access: Access, connect: Connect, window: FreezeWindow, deadline: number): Promise<Backup> {
  const explain = (error: unknown) => postgresFailure(error, access, 'open a session');
  const { hold, watch, row } = await openBoth(window, (ms, signal) => connect(access, ms, signal), self, explain);
  return { hold, watch, key: [Number(row['pid']), String(row['begun'])], deadline, started: false };
}

async function start(access: Access, backup: Backup, window: FreezeWindow, tell: (line: string) => void): Promise<FreezeFacts> {
  const { hold, watch } = backup;
  const server = await window.run(() => lookAtServer(watch, access, tell));
  backup.server = server;
  const { commands } = server;
  if (commands.begin) await window.run(() => hold.query(commands.begin!));
  await limitSession(hold, commands, window, window.left());
  const label = `stillpoint ${new Date().toISOString()}`;
  const [started] = await window.run(() => hold.query(commands.start, [label]));
  backup.started = true;
  // Once more, for the idle time counts from now; a thaw has its own limit for the one statement that is left.
  await limitSession(hold, commands, window, patience.stop);
  tell(`PostgreSQL ${server.facts['version']} (${server.facts['role']}): backup from ${started!['lsn']} in session ${backup.key[0]}`);
  return { ...server.facts, startLsn: String(started!['lsn']), label };
}

/** The server ends the session no later than the deadline, whatever becomes of this process. */
async function limitSession(hold: Session, commands: Commands, window: FreezeWindow, statement: number): Promise<void> {
  const text = (ms: number) => String(Math.max(1, Math.floor(ms)));
  await window.run(() => hold.query(commands.limit, [text(window.left()), text(statement)]));
}

/** Facts of the end; a backup that cannot be stopped ends with its session, without them. */
async function stop(backup: Backup, tell: (line: string) => void): Promise<FreezeFacts> {
  try {
    const late = () => new Error('it took too long');
    const [row] = await within(backup.hold.query(backup.server!.commands.stop), patience.stop, late);
    tell(`PostgreSQL: backup to ${row!['lsn']}`);
    return { stopLsn: String(row!['lsn']), backupLabel: String(row!['label']), tablespaceMap: String(row!['map']) };
  } catch (error) {
    tell(`the backup was not stopped but ended with its session: ${detailOf(error)}`);
    return {};
  } finally {
    backup.started = false;
  }
}

/** Ends the session of the backup and proves that it is gone. Throws FREEZE_THAW_FAILED. */
async function end(name: string, access: Access, backup: Backup, connect: Connect): Promise<void> {
  backup.hold.close();
  for (let attempt = 1; ; attempt++) {
    try {
      if (backup.watch.lost()) backup.watch = await connect(access, patience.reconnect);
      await within(gone(backup), patience.gone, () => new Error(`session ${backup.key[0]} does not end`));
      break;
    } catch (error) {
      if (noServer(error)) break;
      // It may be the watch that hangs: once with a new one.
      backup.watch.close();
      if (attempt === 1) continue;
      fail('FREEZE_THAW_FAILED', { name, detail: detailOf(error) }, { cause: error });
    }
  }
  backup.watch.close();
}

/** Backups live in the server's memory: there is none where there is no server. One that only does not answer may hold it still. */
function noServer(error: unknown): boolean {
  const { code } = ((error as { cause?: unknown } | null)?.cause ?? {}) as { code?: unknown };
  return isCode(error, 'DATABASE_DOWN') && (code === 'ECONNREFUSED' || code === 'ENOENT');
}

async function gone({ watch, key }: Backup): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    // By itself first; a session that hangs in a statement does not see that its client has left.
    const rows = await watch.query(attempt < 5 ? alive : terminate, key);
    if (rows.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
