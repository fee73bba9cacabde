// A PostgreSQL with its WAL on another disk, slots, an archive that does not work, and TLS: what a freeze tells of all that.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { postgresFreezer } from '../../src/databases/postgres/freeze.ts';
import { uncovered } from '../../src/engine/covered.ts';
import type { DatabaseSettings } from '../../src/ports/database.ts';
import type { Quiescer } from '../../src/ports/quiescer.ts';
import { type Postgres, startPostgres } from '../beds/postgres.ts';
import { selfSigned } from '../beds/self-signed.ts';

let dir: string;
let server: Postgres;
let quiescers: Quiescer[] = [];
let told: string[] = [];

beforeAll(async () => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'postgres-elsewhere-')));
  server = await startPostgres({ dir, options: { wal_level: 'logical', archive_mode: 'on' } });
});
afterEach(async () => {
  for (const quiescer of quiescers) await quiescer.thaw();
  quiescers = [];
  told = [];
});
afterAll(async () => {
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

function quiescerOf(more: DatabaseSettings = {}): Quiescer {
  const login = { user: server.user, password: server.password, port: String(server.port) };
  const place = 'host' in more ? {} : { socket: server.socket };
  const quiescer = postgresFreezer.quiescer({ ...login, ...place, ...more }, (line) => told.push(line));
  quiescers.push(quiescer);
  return quiescer;
}

const limit = () => ({ deadline: systemClock.boottime() + 60_000, signal: new AbortController().signal });

async function frozenFacts(more: DatabaseSettings = {}) {
  const quiescer = quiescerOf(more);
  const facts = await quiescer.freeze(limit());
  await quiescer.thaw();
  return facts;
}

/** The server reads it, and nobody else. */
function owned(file: string, text: string): string {
  const path = join(server.data, file);
  const { uid, gid } = statSync(server.data);
  writeFileSync(path, text);
  chmodSync(path, 0o600);
  chownSync(path, uid, gid);
  return path;
}

describe('PostgreSQL', () => {
  it('A1 one whose socket lies where nobody has told is seen by its process', async () => {
    expect(await postgresFreezer.present({})).toBe(true);
    expect(await postgresFreezer.present({ socket: dir })).toBe(false);
  });

  it('A2 WAL that was moved to another place is told, and is not covered by the data', async () => {
    const wal = join(dir, 'wal');
    await server.stop();
    renameSync(join(server.data, 'pg_wal'), wal);
    symlinkSync(wal, join(server.data, 'pg_wal'));
    await server.restart();
    const facts = await frozenFacts();
    expect(facts['walDirectory']).toBe(wal);
    expect(uncovered({ postgres: facts }, (path) => path.startsWith(server.data))).toBe(
      `postgres keeps its WAL in ${wal}, which is not in this backup`,
    );
    expect(uncovered({ postgres: facts }, (path) => path.startsWith(dir))).toBeUndefined();
  });

  it('S6 slots, and an archive that is broken, are told before a restore comes upon them', async () => {
    const quiet = (await frozenFacts())['warning'] ?? '';
    expect(quiet).not.toMatch(/archiving|slots/);
    await server.sql(`SELECT pg_create_logical_replication_slot('subscriber', 'pgoutput')`);
    await server.sql(`SELECT pg_create_physical_replication_slot('replica')`);
    await server.sql(`ALTER SYSTEM SET archive_command = 'false'`);
    await server.sql('SELECT pg_reload_conf()');
    await expect
      .poll(async () => {
        await server.sql('CREATE TABLE IF NOT EXISTS t (n int); INSERT INTO t VALUES (1); SELECT pg_switch_wal()');
        return server.sql('SELECT failed_count > 0 FROM pg_stat_archiver');
      })
      .toBe('t');
    const { warning } = await frozenFacts();
    expect(warning).toMatch(/archiving is broken since [0-9A-F]{24}: the archive has not all WAL/);
    expect(warning).toContain('logical replication slots (subscriber) come back where they were');
    expect(warning).toContain('replication slots (replica) come back with a restore and keep WAL');
    // The bed runs without it.
    expect(warning).toContain('fsync is off');
    expect(told.join('\n')).toContain('PostgreSQL: archiving is broken since');
  });

  it('A22 over TLS the server must prove itself by ca: another one is told as that, not as a server that is down', async () => {
    const { cert, key } = selfSigned();
    const ca = owned('server.crt', cert);
    owned('server.key', key);
    await server.sql(`ALTER SYSTEM SET ssl = on`);
    await server.sql('SELECT pg_reload_conf()');
    mkdirSync(join(dir, 'other'));
    const other = join(dir, 'other', 'ca.pem');
    writeFileSync(other, selfSigned().cert);
    const refused = (settings: DatabaseSettings) =>
      quiescerOf({ host: '127.0.0.1', ...settings })
        .freeze(limit())
        .then(
          () => 'none',
          (error: StillpointError) => `${error.code} ${error.message}`,
        );
    // The reload reaches each process of the server in its own time.
    await expect.poll(() => refused({ ca: other })).toMatch(/^DATABASE_FAILED PostgreSQL could not prove itself by .*ca\.pem: self/);
    const quiescer = quiescerOf({ host: '127.0.0.1', ca });
    await quiescer.freeze(limit());
    expect(
      await server.sql(`SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'stillpoint'`),
    ).toBe('t');
    await quiescer.held();
    await quiescer.thaw();
  });
});
