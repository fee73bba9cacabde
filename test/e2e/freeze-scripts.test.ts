// Freeze scripts as they are shipped and as an administrator meets them: run by hand, by the real rdfreeze, with a real MariaDB.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { databases } from '../../src/agent/wiring.ts';
import { linesOf } from '../../src/base/lines.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { FreezeEvent } from '../../src/model/freeze.ts';
import { startMariadb } from '../beds/mariadb.ts';
import { needPrograms, run } from '../beds/programs.ts';
import { lives, program, root, type ScriptHome, scriptHome, sourced } from '../beds/script-home.ts';
import { findIn, findInFiles, watchProcesses } from '../beds/secret-watch.ts';
import { limitOf } from '../contract/quiescer.ts';

let bed: ScriptHome;

interface Ran {
  readonly code: number | null;
  readonly err: string;
}

/** As root at a prompt: no agent, no freezer. */
function byHand(script: string, id = 'hand', more: Record<string, string> = {}): Promise<Ran> {
  const env = { PATH: process.env['PATH'], AGENT_RUN: join(bed.home, 'run'), ...more };
  const child = spawn(join(bed.scripts, script), [bed.home, id], { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => (err += part));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, err })));
}

beforeEach(async () => {
  bed = await scriptHome();
});
afterEach(() => bed.remove());

const gone = (pid: number) => expect.poll(() => lives(pid), { interval: 20 }).toBe(false);

describe('freeze scripts by hand', () => {
  it('A1 freeze, refuse to freeze twice, and thaw; the log says so', async () => {
    bed.fake();
    expect(await byHand('fake_freeze.sh')).toMatchObject({ code: 0 });
    const pid = bed.holder();
    const again = await byHand('fake_freeze.sh');
    expect(again.code).toBe(1);
    expect(again.err).toContain('fake is frozen already; freezing it again is an error');
    expect(bed.inPlace('frozen')).toBe(true);
    expect(await byHand('fake_unfreeze.sh')).toMatchObject({ code: 0 });
    expect(bed.inPlace('frozen')).toBe(false);
    await gone(pid);
    expect(await byHand('fake_unfreeze.sh')).toMatchObject({ code: 0, err: expect.stringContaining('nothing to thaw') });
    expect(bed.log()).toMatch(/^\d\d-\d\d-\d\d--\d\d:\d\d:\d\d \[\d+\] \[\w+\] \[ERROR\] .*frozen already/m);
    expect(existsSync(join(bed.home, 'run/freeze/hand'))).toBe(false);
  });

  it('A3 thaw by themselves at their limit; the unfreeze says so and leaves nothing frozen', async () => {
    bed.fake();
    const deadline = String(Math.round(systemClock.boottime() + 2500));
    expect(await byHand('fake_freeze.sh', 'hand', { STILLPOINT_FREEZE_DEADLINE: deadline })).toMatchObject({ code: 0 });
    await expect.poll(() => bed.inPlace('frozen'), { interval: 20, timeout: 10_000 }).toBe(false);
    const { code, err } = await byHand('fake_unfreeze.sh');
    expect([code, err.includes('fake did not stay frozen: it ran into its limit; it is thawed')]).toEqual([1, true]);
    expect(await byHand('fake_unfreeze.sh')).toMatchObject({ code: 0 });
    expect(bed.log()).toContain('thawed without being asked: it ran into its limit');
  });

  it('A3 say in the unfreeze that the process which held it was killed, and thaw', async () => {
    bed.fake();
    await byHand('fake_freeze.sh');
    const pid = bed.holder();
    process.kill(pid, 'SIGKILL');
    await gone(pid);
    expect(await byHand('fake_unfreeze.sh')).toMatchObject({ code: 1, err: expect.stringContaining(`(${pid}) has ended`) });
    expect(bed.inPlace('frozen')).toBe(false);
  });

  it('A3 leave nothing when they are killed before the database is frozen', async () => {
    bed.fake({ mode: 'slow' });
    const env = { PATH: process.env['PATH'], AGENT_RUN: join(bed.home, 'run') };
    const child = spawn(join(bed.scripts, 'fake_freeze.sh'), [bed.home, 'hand'], { env, stdio: 'ignore', detached: true });
    await expect.poll(() => bed.inPlace('frozen'), { interval: 10 }).toBe(true);
    const pid = bed.holder();
    process.kill(-child.pid!, 'SIGKILL');
    await expect.poll(() => bed.inPlace('frozen'), { interval: 20, timeout: 5000 }).toBe(false);
    await gone(pid);
  });

  it('A1 show no password: not to who lists processes, nor in any file', async () => {
    const secrets = new Map([['password', 'canary of the test']]);
    bed.fake({ password: bed.sealed('canary of the test') });
    const watch = watchProcesses();
    const { code, err } = await byHand('fake_freeze.sh');
    watch.stop();
    expect(code).toBe(1);
    expect(err).toContain('refuses the login of u');
    expect([...watch.seen.keys()].some((text) => text.includes('fake-database.ts'))).toBe(true);
    expect([...watch.seen].flatMap(([text, where]) => findIn(secrets, where, text))).toEqual([]);
    expect(findInFiles(secrets, bed.home)).toEqual([]);
    expect(findIn(secrets, 'error', err)).toEqual([]);
  });
});

describe('freeze scripts under the real freezer', () => {
  /** Starts rdfreeze and waits for its first event. */
  async function freezer(): Promise<{ readonly child: ChildProcess; readonly first: FreezeEvent }> {
    const child = start();
    for await (const line of linesOf(child.stdio[4] as Readable)) return { child, first: JSON.parse(line) as FreezeEvent };
    throw new Error('rdfreeze ended without a word');
  }

  function start(id = 'real'): ChildProcess {
    const child = spawn(process.execPath, [join(root, 'src/rdfreeze.ts')], {
      env: { AGENT_HOME: bed.home, AGENT_RUN: join(bed.home, 'run') },
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
    });
    const request = { id, applications: true, fileSystems: [], limitMs: 60_000 };
    (child.stdio[3] as Writable).write(`${JSON.stringify({ type: 'freeze', request })}\n`);
    return child;
  }

  it('A3 what a script froze is thawed within 5 s of a SIGKILL of rdfreeze', async () => {
    bed.fake();
    const { child, first } = await freezer();
    expect(first).toMatchObject({ type: 'frozen', names: ['fake'], facts: { fake: { position: '7' } } });
    const pid = bed.holder();
    child.kill('SIGKILL');
    await expect.poll(() => bed.inPlace('frozen'), { interval: 20, timeout: 5000 }).toBe(false);
    await gone(pid);
    expect(bed.log()).toMatch(/\[ERROR\] fake@fake: thawed without being asked: the freezer ended/);
  });

  it('A3 a freeze script that outlives rdfreeze is ended before its unfreeze script runs', async () => {
    const noted = join(bed.place, 'pids');
    const late = join(bed.place, 'late');
    bed.pair(
      'a',
      sourced(`echo $$ > ${noted}; sleep 1000 & echo $! >> ${noted}; wait; touch ${late}; finish 0`),
      sourced(`for pid in $(cat ${noted}); do grep -q '^State:.*[RSD] ' /proc/$pid/status && touch ${late}; done; finish 0`),
    );
    const child = start(bed.id);
    await expect.poll(() => existsSync(noted) && readFileSync(noted, 'utf8').split('\n').length).toBe(3);
    child.kill('SIGKILL');
    const pids = readFileSync(noted, 'utf8').trim().split('\n').map(Number);
    expect(pids.map(lives)).toEqual([true, true]);
    // What rdfreeze rescue does.
    await bed.one().thaw();
    expect(pids.map(lives)).toEqual([false, false]);
    expect(existsSync(late)).toBe(false);
  });

  it('A1 one that fails names its reason, and the pairs before it are thawed', async () => {
    bed.fake();
    bed.pair('later', '#!/bin/sh\necho 1 > "$RESULT_FILE"\nexit 1\n');
    const { child, first } = await freezer();
    expect(first).toMatchObject({ type: 'failed', problem: { code: 'SCRIPT_FAILED', detail: expect.stringContaining('later_freeze.sh') } });
    expect(bed.inPlace('frozen')).toBe(false);
    child.kill('SIGKILL');
  });
});

describe('the shipped scripts', () => {
  const shipped = globSync('ebk_user/*.sh', { cwd: join(root, 'scripts') });

  it('house: shellcheck has nothing to say', async () => {
    needPrograms(['shellcheck'], 'shellcheck');
    const examples = globSync('ebk_user/*.example', { cwd: join(root, 'scripts') });
    await run('shellcheck', ['agent_func.sh', 'rdfreeze', ...shipped, ...examples], { cwd: join(root, 'scripts') });
    expect(shipped.length).toBe(8);
  });

  it('A1 give each database all the settings that it knows, and no others', async () => {
    for (const [name, load] of Object.entries(databases)) {
      for (const half of ['freeze', 'unfreeze']) {
        const text = readFileSync(join(root, `scripts/ebk_user/${name}_${half}.sh`), 'utf8');
        expect(text, name).toContain(`${half}_database ${name} << END`);
        const given = [...text.matchAll(/^([a-z][a-z0-9_-]*)=\$([A-Z_]+)$/gm)];
        expect(given.map(([, setting]) => setting).toSorted(), name).toEqual(Object.keys((await load()).settings).toSorted());
        for (const [, , variable] of given) expect(text, name).toMatch(new RegExp(`^${variable}=''$`, 'm'));
      }
    }
  });

  it('A1 answer 0 where their application is absent', async () => {
    for (const file of shipped) copyFileSync(join(root, 'scripts', file), join(bed.scripts, file.replace('ebk_user/', '')));
    // No process of these names, whatever else runs here: an empty /proc would be needed for the real names.
    const names = /running [a-z ]+; then/;
    for (const file of shipped) {
      const path = join(bed.scripts, file.replace('ebk_user/', ''));
      writeFileSync(path, readFileSync(path, 'utf8').replace(names, 'running no-such-process; then'));
    }
    const quiescers = bed.quiescers();
    for (const quiescer of quiescers) expect(await quiescer.freeze(limitOf(30_000)), quiescer.name).toEqual({ absent: 'yes' });
    for (const quiescer of quiescers) await quiescer.thaw();
    for (const name of ['MySQL or MariaDB', 'PostgreSQL', 'SAP HANA', 'SQL Server'])
      expect(bed.log()).toContain(`no ${name} on this host: nothing to freeze`);
  });

  it('A1 the template works for an application once its commands stand in it', async () => {
    const paused = join(bed.place, 'paused');
    for (const half of ['freeze', 'unfreeze']) {
      const text = readFileSync(join(root, `scripts/ebk_user/template_${half}.sh.example`), 'utf8');
      const command = half === 'freeze' ? 'myappctl pause --limit 60' : 'myappctl resume';
      expect(text).toContain(command);
      program(join(bed.scripts, `myapp_${half}.sh`), text.replace(command, half === 'freeze' ? `touch ${paused}` : `rm -f ${paused}`));
    }
    const absent = bed.one();
    await absent.freeze(limitOf(30_000));
    expect(existsSync(paused)).toBe(false);
    await absent.thaw();

    copyFileSync('/bin/sleep', join(bed.home, 'myappd'));
    const application = spawn(join(bed.home, 'myappd'), ['1000'], { stdio: 'ignore' });
    try {
      const quiescer = bed.one();
      await quiescer.freeze(limitOf(30_000));
      expect(existsSync(paused)).toBe(true);
      await quiescer.thaw();
      expect(existsSync(paused)).toBe(false);
      rmSync(bed.place, { recursive: true });
      await expect(quiescer.freeze(limitOf(30_000))).rejects.toMatchObject({ code: 'SCRIPT_FAILED' });
      expect(bed.log()).toMatch(/\[ERROR\] myappd could not be frozen/);
    } finally {
      application.kill();
    }
  });

  it('A1 A12 the mysql pair freezes a real MariaDB with a password of agentcli encpwd', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'pair-'));
    // The real program instead of the fake one.
    rmSync(join(bed.home, 'bin/rdfreeze'));
    symlinkSync(join(root, 'scripts/rdfreeze'), join(bed.home, 'bin/rdfreeze'));
    const server = await startMariadb({ dir });
    try {
      await server.sql("CREATE USER backup@localhost IDENTIFIED BY 'right pass'; GRANT ALL ON *.* TO backup@localhost");
      await server.sql('CREATE DATABASE d; CREATE TABLE d.t (i INT PRIMARY KEY)');
      const encrypt = (password: string) =>
        execFileSync(join(root, 'scripts/agentcli'), ['encpwd'], { input: `${password}\n`, env: { ...process.env, AGENT_HOME: bed.home } })
          .toString()
          .trim();
      const settle = (password: string) => {
        for (const half of ['freeze', 'unfreeze']) {
          const text = readFileSync(join(root, `scripts/ebk_user/mysql_${half}.sh`), 'utf8')
            .replace("MYSQL_USER=''", "MYSQL_USER='backup'")
            .replace("MYSQL_PASSWORD=''", `MYSQL_PASSWORD='${encrypt(password)}'`)
            .replace("MYSQL_SOCKET=''", `MYSQL_SOCKET='${server.socket}'`);
          program(join(bed.scripts, `mysql_${half}.sh`), text);
        }
      };
      settle('wrong');
      await expect(bed.one().freeze(limitOf(30_000))).rejects.toMatchObject({ code: 'DATABASE_LOGIN' });

      settle('right pass');
      const quiescer = bed.one();
      await quiescer.freeze(limitOf(30_000));
      await quiescer.held();
      const writer = await server.connect();
      let written = false;
      const writing = writer.query('INSERT INTO d.t VALUES (1)').then(() => {
        written = true;
      });
      await expect
        .poll(async () => (await server.sql("SELECT state FROM information_schema.processlist WHERE info LIKE 'INSERT%'"))[0]?.['state'])
        .toMatch(/waiting/i);
      expect(written).toBe(false);
      await quiescer.thaw();
      await writing;
      await writer.end();

      await server.stop();
      await expect(bed.one().freeze(limitOf(30_000))).rejects.toMatchObject({ code: 'DATABASE_DOWN' });
      expect(bed.log()).toMatch(/\[ERROR\] .*refuses the login of backup/);
    } finally {
      await server.kill();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
