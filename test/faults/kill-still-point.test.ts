// The whole chain, killed in every state of a freeze: rdmonitor, rdprovider, rdagent, rdtask, rdfreeze and a MariaDB with a writer.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConnection } from '../../src/config/connection.ts';
import { openSealer } from '../../src/config/secrets.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import { type Client, createClient } from '../../src/rpc/client.ts';
import type { Backup, Task } from '../../src/rpc/schemas.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { answeringAgent, layoutIn, named, type RunningMonitor, startMonitor } from '../e2e/monitor-bench.ts';
import { removeDisk } from '../e2e/still-bench.ts';

const full = Boolean(process.env['STILLPOINT_FULL']);
const runs = full ? 20 : 1;
/** All of the worst moment, and a share of the others. */
const struck = (state: number, victim: number) => full || states[state] === 'frozen' || (state + victim) % 4 === 0;
const skipped = ' (skipped: one of the pairs that only scripts/dev/test.sh --full strikes)';

/** Each is held open by a script until the test has struck, so that a strike meets its state. */
const states = ['before', 'freezing', 'frozen', 'imaged', 'thawing'] as const;
type State = (typeof states)[number];
const victims = ['rdagent', 'rdtask', 'rdprovider', 'rdfreeze', 'mariadbd'] as const;
type Victim = (typeof victims)[number];

const password = 'freezer-password';

let top: string;
let home: string;
let disk: SnapshotDisk;
let server: SqlServer;
let monitor: RunningMonitor;
let client: Client;

const startServer = () => startMariadb({ dir: join(top, 'sql'), options: { datadir: join(disk.path, 'data'), 'log-bin': 'bin' } });
const reached = () => join(top, 'reached');
const waitFor = () => join(top, 'wait-for');

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'kill-still-'));
  home = join(top, 'agent');
  disk = await snapshotDisk('btrfs');
  mkdirSync(join(top, 'sql'));
  server = await startServer();
  await server.sql(
    `CREATE USER freezer@localhost IDENTIFIED BY '${password}'; GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO freezer@localhost;
     CREATE DATABASE app; CREATE TABLE app.beats (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB`,
  );
  mkdirSync(join(home, 'conf'), { recursive: true });
  writeFileSync(join(home, 'conf/agent.yaml'), 'freezesPerHour: 1000\n');
  await freshMonitor();
  setScripts();
  await client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(top, 'pool') }, create: true } });
  await client.call('vaultCreate', { body: { name: 'v' } });
  const body = { name: 'db', source: { kind: 'files' as const, paths: [join(disk.path, 'data')] }, consistency: { freeze: true } };
  await client.call('planCreate', { body });
}, 300_000);

afterAll(async () => {
  client?.close();
  monitor?.process.kill('SIGTERM');
  await monitor?.exited;
  await server?.kill();
  await removeDisk(disk);
  rmSync(top, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

/** One that has not replaced anything yet: after many strikes it would wait up to a minute before it starts a process again. */
async function freshMonitor(): Promise<void> {
  monitor?.process.kill('SIGTERM');
  await monitor?.exited;
  monitor = startMonitor(home);
  await agentAnswers();
}

async function agentAnswers(): Promise<void> {
  client?.close();
  while (!(await answeringAgent(home))) await pause(50);
  client = createClient(readConnection(layoutIn(home)));
}

/** mysql's shipped pair, between two of ours that tell how far it is and wait there until they are told to go on. */
function setScripts(): void {
  const folder = join(home, 'bin/thirdparty/ebk_user');
  for (const name of readdirSync(folder)) if (!name.startsWith('mysql')) rmSync(join(folder, name));
  const secret = openSealer(join(home, 'conf/installation.key')).seal('script/password', password);
  const settings: Record<string, string> = { MYSQL_USER: 'freezer', MYSQL_PASSWORD: secret, MYSQL_SOCKET: server.socket };
  for (const verb of ['freeze', 'unfreeze']) {
    const path = join(folder, `mysql_${verb}.sh`);
    const edited = Object.entries(settings).reduce(
      (text, [key, value]) => text.replace(new RegExp(`^${key}='.*'$`, 'm'), `${key}='${value}'`),
      readFileSync(path, 'utf8'),
    );
    writeFileSync(path, edited);
  }
  const told = (state: string) =>
    `if [ "$(cat ${waitFor()} 2> /dev/null)" = ${state} ]; then echo ${state} > ${reached()}; while [ -e ${waitFor()} ]; do sleep 0.02; done; fi\n`;
  const pair = (name: string, freeze: string, unfreeze: string) => {
    for (const [verb, text] of Object.entries({ freeze, unfreeze })) {
      const path = join(folder, `${name}_${verb}.sh`);
      writeFileSync(path, `#!/bin/sh\n${text}echo 0 > "$RESULT_FILE"\n`, { mode: 0o755 });
    }
  };
  pair('a', told('freezing'), '');
  pair('z', told('frozen'), told('thawing'));
}

const images = () => (existsSync(join(disk.path, imageDirectory)) ? readdirSync(join(disk.path, imageDirectory)) : []);

/** Resolves when the backup has come to the state. */
async function comesTo(state: State): Promise<void> {
  if (state === 'before') while (named(home, 'rdtask').length === 0) await pause(5);
  else if (state === 'imaged') while (images().length === 0) await pause(1);
  else while (!existsSync(reached())) await pause(5);
}

function strike(victim: Victim): void {
  if (victim === 'mariadbd') process.kill(server.pid, 'SIGKILL');
  else for (const { pid } of named(home, victim)) process.kill(pid, 'SIGKILL');
}

/** A writer commits within 5 s; a server that was killed, as soon as it is back. */
async function expectWriter(victim: Victim): Promise<void> {
  if (victim === 'mariadbd') {
    await server.kill();
    server = await startServer();
  }
  const begun = performance.now();
  await server.sql('INSERT INTO app.beats () VALUES ()');
  expect(performance.now() - begun).toBeLessThan(5000);
}

async function ended(id: string): Promise<Task> {
  for (;;) {
    const task = await client.call('taskShow', { params: { id } }).catch(() => undefined);
    if (task && !['queued', 'running'].includes(task.state)) return task;
    if (!task) await agentAnswers();
    await pause(50);
  }
}

const backupOf = (task: Task): Promise<Backup> => client.call('backupShow', { params: { id: task.backupId! } });

/**
 * What a backup may say of itself after the strike, if it came to its end: blue only if everything held still, or held still again. The
 * process that freezes and the one that asks do not need rdprovider once they have met.
 */
function marks(state: State, victim: Victim): readonly string[] {
  const lost = victim === 'rdfreeze' ? ['freezing', 'frozen'] : ['frozen'];
  return victim !== 'rdprovider' && lost.includes(state) ? ['crash', 'file'] : ['application', 'crash', 'file'];
}

describe('SIGKILL while a database is brought to a still point', () => {
  for (const [s, state] of states.entries())
    for (const [v, victim] of victims.entries())
      it.runIf(struck(s, v))(
        `A2 A3 of ${victim} ${state}: a writer commits within 5 s, the backup says what it is, the next one is whole${struck(s, v) ? '' : skipped}`,
        async () => {
          for (let run = 0; run < runs; run++) {
            if (full && run % 3 === 0) await freshMonitor();
            rmSync(reached(), { force: true });
            if (state !== 'before' && state !== 'imaged') writeFileSync(waitFor(), state);
            const { id } = await client.call('backupRun', { body: { plan: 'db' } });
            await comesTo(state);
            strike(victim);
            rmSync(waitFor(), { force: true });
            await expectWriter(victim);

            if (victim === 'rdagent' || victim === 'rdprovider') await agentAnswers();
            const task = await ended(id);
            const backup = await backupOf(task);
            if (task.state === 'done' || task.state === 'warnings') expect(marks(state, victim)).toContain(backup.consistency);
            else expect(backup.state).toBe('error');

            const next = await ended((await client.call('backupRun', { body: { plan: 'db' } })).id);
            expect(next).toMatchObject({ state: 'done', problem: null });
            expect(await backupOf(next)).toMatchObject({ state: 'available', consistency: 'application' });
            expect(images()).toEqual([]);
          }
        },
        60_000 * runs + 60_000,
      );
});
