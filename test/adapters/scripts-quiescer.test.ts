// Pairs of freeze scripts, run for real: bash, process groups, sockets, a process that holds a database (beds/fake-database.ts).
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errnoOf } from '../../src/base/errors.ts';
import { createSealer } from '../../src/config/secrets.ts';
import type { Quiescer } from '../../src/ports/quiescer.ts';
import { openRunFolder } from '../../src/quiescers/scripts/run-folder.ts';
import { rightPassword } from '../beds/fake-database.ts';
import { lives, program, root, type ScriptHome, scriptHome, sourced, works } from '../beds/script-home.ts';
import { limitOf, quiescerContract } from '../contract/quiescer.ts';

let bed: ScriptHome;

const limit = (ms = 30_000) => limitOf(ms);
const linesOf = (path: string) => readFileSync(path, 'utf8').trim().split('\n');
/** Waits in the background for a child of its own, too; notes their process ids. */
const hangs = (noted: string) =>
  sourced(`sleep 1000 & echo $! > ${noted}; echo $$ >> ${noted}; trap '' TERM; while :; do sleep 1000; done`);

/** How willing the kernel is to end us where memory is short; answers what it is then. */
function score(to?: string): string {
  const file = '/proc/self/oom_score_adj';
  try {
    if (to !== undefined) writeFileSync(file, to);
  } catch (error) {
    if (errnoOf(error) !== 'EACCES') throw error;
  }
  return readFileSync(file, 'latin1').trim();
}

async function gone(pid: number): Promise<void> {
  await expect.poll(() => lives(pid), { interval: 20 }).toBe(false);
}

describe('a pair that freezes through the agent', () => {
  quiescerContract('a pair of scripts', async () => {
    const own = await scriptHome();
    own.fake();
    return {
      quiescer: own.one(),
      isStill: async () => own.inPlace('frozen'),
      async breakIn() {
        const pid = own.holder();
        process.kill(pid, 'SIGKILL');
        await gone(pid);
      },
      async remove() {
        own.loseFreezer();
        await expect.poll(() => own.inPlace('frozen') && lives(own.holder())).toBe(false);
        own.remove();
      },
    };
  });
});

describe('freeze scripts', () => {
  beforeEach(async () => {
    bed = await scriptHome();
  });
  afterEach(() => bed.remove());

  it('A1 get $1 the root, $2 the id, a result file and nothing of our environment', async () => {
    process.env['CANARY_OF_THE_TEST'] = 'x';
    const seen = join(bed.place, 'seen');
    bed.pair('a', sourced(`printf '%s\\n' "$#" "$1" "$2" "$(stat -c %a "$RESULT_FILE")" > ${seen}; env >> ${seen}; finish 0`));
    await bed.one().freeze(limit());
    delete process.env['CANARY_OF_THE_TEST'];
    const [count, first, second, mode, ...environment] = linesOf(seen);
    expect([count, first, second, mode]).toEqual(['2', bed.home, bed.id, '666']);
    const names = environment.flatMap((line) => /^([A-Za-z_]+)=/.exec(line)?.[1] ?? []);
    const allowed = ['PATH', 'LANG', 'TZ', 'HOME', 'AGENT_HOME', 'AGENT_RUN', 'RESULT_FILE', 'PWD', 'SHLVL', '_', 'OLDPWD'];
    expect(names.filter((name) => !allowed.includes(name) && !name.startsWith('STILLPOINT_FREEZE'))).toEqual([]);
    expect(readdirSync(bed.runFolder).filter((file) => file.endsWith('.result'))).toEqual([]);
  });

  it.each([
    ['exit code 1 and result 0', 'echo 0 > "$RESULT_FILE"; exit 1', 'ended with exit code 1'],
    ['exit code 0 and result 1', 'echo 1 > "$RESULT_FILE"; exit 0', 'wrote the result 1'],
    ['exit code 0 and no result', 'exit 0', 'ended with exit code 0 but wrote no result into RESULT_FILE'],
    ['a signal', 'kill -9 $$', 'was ended by SIGKILL'],
  ])('A1 have failed with %s', async (_what, lines, detail) => {
    bed.pair('a', sourced(lines), sourced(`echo x >> ${bed.place}/thaws; finish 0`));
    const quiescer = bed.one();
    await expect(quiescer.freeze(limit())).rejects.toMatchObject({
      code: 'SCRIPT_FAILED',
      message: expect.stringContaining(`a_freeze.sh ${detail}`),
    });
    // What it froze before it failed is undone.
    expect(linesOf(join(bed.place, 'thaws'))).toEqual(['x']);
    expect(bed.log()).toMatch(new RegExp(`\\[ERROR\\] a_freeze.sh .*${detail}`));
  });

  it('A2 say that their application is not on this host; a plain 0 says that it is frozen', async () => {
    bed.pair('a', sourced('absent no such server'));
    bed.pair('b', works);
    const [a, b] = bed.quiescers();
    expect(await a!.freeze(limit())).toEqual({ absent: 'yes' });
    expect(await b!.freeze(limit())).toEqual({});
    await a!.thaw();
    expect(bed.log()).toContain('[INFO] no such server');
  });

  it('A3 whose start cannot be noted are killed: the freeze has failed, a thaw goes on', async () => {
    const noted = join(bed.place, 'pids');
    bed.pair('a', hangs(noted), sourced(`echo x >> ${bed.place}/thaws; finish 0`));
    const cannotBeNoted = () => symlinkSync(join(bed.place, 'nowhere', 'x'), join(bed.runFolder, 'a.running'));
    cannotBeNoted();
    await expect(bed.one().freeze(limit())).rejects.toMatchObject({
      code: 'SCRIPT_FAILED',
      message: expect.stringContaining('was killed, for its start could not be noted'),
    });
    if (existsSync(noted)) for (const pid of linesOf(noted)) await gone(Number(pid));
    expect(linesOf(join(bed.place, 'thaws'))).toEqual(['x']);
    const other = bed.one();
    cannotBeNoted();
    await other.thaw();
    expect(linesOf(join(bed.place, 'thaws'))).toEqual(['x', 'x']);
  });

  it('A1 inherit neither the umask nor the protection of rdfreeze', async () => {
    const seen = join(bed.place, 'seen');
    bed.pair('a', sourced(`{ umask; cat /proc/self/oom_score_adj; } > ${seen}; finish 0`));
    const before = score();
    const umask = process.umask(0o077);
    // Root without CAP_SYS_RESOURCE (a container) may not spare itself, and so has nothing to hand down.
    const spared = score('-500');
    try {
      await bed.one().freeze(limit());
      expect(score()).toBe(spared);
    } finally {
      score(before);
      expect(process.umask(umask)).toBe(0o077);
    }
    expect(linesOf(seen)).toEqual(['0022', String(Math.max(0, Number(spared)))]);
  });

  it('A1 say in an unfreeze that fails that something may be frozen, and are asked again', async () => {
    const stuck = join(bed.place, 'stuck');
    bed.pair('a', works, sourced(`[ ! -e ${stuck} ]; finish $?`));
    const quiescer = bed.one();
    await quiescer.freeze(limit());
    writeFileSync(stuck, '');
    for (let i = 0; i < 2; i++)
      await expect(quiescer.thaw()).rejects.toMatchObject({
        code: 'FREEZE_THAW_FAILED',
        message: expect.stringContaining('a_unfreeze.sh ended'),
      });
    rmSync(stuck);
    await quiescer.thaw();
  });

  it('A3 hang no longer than their limit; all that they started dies with them', async () => {
    const noted = join(bed.place, 'pids');
    bed.pair('a', hangs(noted));
    await expect(bed.one(500).freeze(limit())).rejects.toMatchObject({
      code: 'SCRIPT_FAILED',
      message: expect.stringContaining('a_freeze.sh did not end within 0.5 s and was killed'),
    });
    for (const pid of linesOf(noted)) await gone(Number(pid));
  });

  it('A3 end when the freeze is called off, and with its deadline', async () => {
    const noted = join(bed.place, 'pids');
    bed.pair('a', hangs(noted));
    const stop = new AbortController();
    const freezing = bed.one().freeze(limitOf(30_000, stop.signal));
    await expect.poll(() => existsSync(noted) && linesOf(noted).length).toBe(2);
    stop.abort();
    await expect(freezing).rejects.toMatchObject({ code: 'SCRIPT_FAILED' });
    for (const pid of linesOf(noted)) await gone(Number(pid));
    await expect(bed.one().freeze(limit(400))).rejects.toMatchObject({ code: 'SCRIPT_FAILED' });
  });

  it('A3 that hang in their unfreeze are killed, and the thaw is known to have failed', async () => {
    const noted = join(bed.place, 'pids');
    bed.pair('a', works, hangs(noted));
    const quiescer = bed.one(500);
    await quiescer.freeze(limit());
    await expect(quiescer.thaw()).rejects.toMatchObject({ code: 'FREEZE_THAW_FAILED', message: expect.stringContaining('was killed') });
    for (const pid of linesOf(noted)) await gone(Number(pid));
  });

  it('A1 run as they were when they were checked, whatever lies under their names by then', async () => {
    const seen = join(bed.place, 'seen');
    bed.pair('a', sourced(`echo checked >> ${seen}; finish 0`), sourced(`echo checked >> ${seen}; finish 0`));
    const quiescer = bed.one();
    for (const half of ['freeze', 'unfreeze']) {
      const path = join(bed.scripts, `a_${half}.sh`);
      program(`${path}.new`, sourced(`echo swapped >> ${seen}; finish 0`));
      renameSync(`${path}.new`, path);
    }
    await quiescer.freeze(limit());
    rmSync(bed.scripts, { recursive: true });
    await quiescer.thaw();
    expect(linesOf(seen)).toEqual(['checked', 'checked']);
  });

  it('A1 run with the interpreter that they name', async () => {
    program(join(bed.place, 'interpreter'), `#!/bin/sh\necho "by $1" > ${bed.place}/seen\necho 0 > "$RESULT_FILE"\n`);
    bed.pair('a', `#!${bed.place}/interpreter -x\n`);
    await bed.one().freeze(limit());
    expect(linesOf(join(bed.place, 'seen'))).toEqual(['by -x']);
  });

  it('A1 written for the CBR agent work as they are', async () => {
    const state = join(bed.place, 'app');
    const cbr = (verb: string, act: string) => `#!/bin/sh
AGENT_ROOT_PATH=$1
PID=$2
. "\${AGENT_ROOT_PATH}/bin/agent_func.sh"
APP_PASSWORD='${bed.sealed('canary pass')}'
ExitWithResult()
{
    Log "[INFO]:${verb} result is $1."
    echo $1 > \${RESULT_FILE}
    chmod 666 \${RESULT_FILE}
    exit $1
}
Log "[INFO]:Begin to ${verb}."
Log "ERROR:no error but a line"
[ "$(DecryptPassword "$APP_PASSWORD")" = 'canary pass' ] || ExitWithResult 1
${act}
ExitWithResult 0
`;
    bed.pair('a', cbr('freeze', `touch ${state}`), cbr('unfreeze', `rm -f ${state}`));
    const quiescer = bed.one();
    await quiescer.freeze(limit());
    expect(existsSync(state)).toBe(true);
    await quiescer.held();
    // While anything may be frozen nothing is written.
    expect(existsSync(join(bed.home, 'log/thirdparty.log'))).toBe(false);
    await quiescer.thaw();
    expect(existsSync(state)).toBe(false);
    expect(bed.log()).toMatch(/^\d\d-\d\d-\d\d--\d\d:\d\d:\d\d \[\d+\] \[\w+\] \[INFO\] Begin to freeze\.$/m);
    expect(bed.log()).toMatch(/\[ERROR\] no error but a line$/m);
    expect(bed.log()).not.toContain('canary');
  });

  it('A1 may leave in the background what holds the lock', async () => {
    const noted = join(bed.place, 'pids');
    bed.pair(
      'a',
      sourced(`(while :; do echo talking; sleep 0.01; done) & echo $! > ${noted}; finish 0`),
      sourced(`kill $(cat ${noted}); finish 0`),
    );
    const quiescer = bed.one(5000);
    await quiescer.freeze(limit());
    const [pid = ''] = linesOf(noted);
    expect(lives(Number(pid))).toBe(true);
    await quiescer.thaw();
    await gone(Number(pid));
  });

  it('A22 fill no memory with what they say: every line is cut, the log is bounded', async () => {
    bed.pair('a', sourced('head -c 3000000 /dev/zero | tr "\\\\0" x; yes 2> /dev/null | head -n 50000; finish 0'));
    await bed.one().freeze(limit());
    expect(bed.log().length).toBeLessThan(2_000_000);
  });

  it('A1 are not run with a helper that others may write', async () => {
    bed.pair('a', works);
    const quiescer = bed.one();
    rmSync(join(bed.home, 'bin/agent_func.sh'));
    writeFileSync(join(bed.home, 'bin/agent_func.sh'), readFileSync(join(root, 'scripts/agent_func.sh')), { mode: 0o666 });
    chmodSync(join(bed.home, 'bin/agent_func.sh'), 0o666);
    await expect(quiescer.freeze(limit())).rejects.toMatchObject({
      code: 'SCRIPT_UNSAFE',
      message: expect.stringContaining('agent_func.sh'),
    });
  });

  describe('that call the agent', () => {
    const frozen = async (settings: Record<string, string> = {}): Promise<Quiescer> => {
      bed.fake(settings);
      const quiescer = bed.one();
      await quiescer.freeze(limit());
      expect(bed.inPlace('frozen')).toBe(true);
      return quiescer;
    };

    it('A1 give what the freeze and the thaw learned', async () => {
      bed.fake();
      const quiescer = bed.one();
      expect(await quiescer.freeze(limit())).toEqual({ position: '7' });
      await quiescer.held();
      expect(await quiescer.thaw()).toEqual({ end: '8' });
      expect(bed.inPlace('frozen')).toBe(false);
      expect(bed.log()).toMatch(/\[INFO\] it holds still/);
      expect(readdirSync(bed.runFolder)).toEqual(['rdfreeze.sock']);
    });

    it('A1 tell a wrong password from a server that is down, and both from one of another installation', async () => {
      bed.fake({ password: bed.sealed('wrong') });
      await expect(bed.one().freeze(limit())).rejects.toMatchObject({ code: 'DATABASE_LOGIN' });
      const stranger = createSealer(Buffer.alloc(32, 1)).seal('script/password', rightPassword);
      bed.fake({ password: stranger });
      await expect(bed.one().freeze(limit())).rejects.toMatchObject({ code: 'SECRET_UNREADABLE' });
      expect(bed.log()).toMatch(/\[ERROR\] the stored secret password of fake \(encrypted by another installation, .*installation\.key/);
      bed.fake({ colour: 'red' });
      await expect(bed.one().freeze(limit())).rejects.toMatchObject({ code: 'USAGE', message: 'fake has no setting colour' });
      rmSync(join(bed.place, 'server'));
      bed.fake();
      await expect(bed.one().freeze(limit())).rejects.toMatchObject({ code: 'DATABASE_DOWN' });
      expect(bed.inPlace('frozen')).toBe(false);
    });

    it('A1 do nothing where the application is absent, and fail where it runs and no user is set', async () => {
      bed.fake({ user: '' });
      await expect(bed.one().freeze(limit())).rejects.toMatchObject({
        code: 'FREEZE_FAILED',
        message: expect.stringContaining('no user is set'),
      });
      rmSync(join(bed.place, 'server'));
      const quiescer = bed.one();
      expect(await quiescer.freeze(limit())).toEqual({ absent: 'yes' });
      await quiescer.held();
      await quiescer.thaw();
    });

    it('A2 are not believed when the database says that it lost the freeze', async () => {
      const quiescer = await frozen({ mode: 'lost' });
      await expect(quiescer.held()).rejects.toMatchObject({
        code: 'FREEZE_LOST',
        message: expect.stringContaining('somebody killed its session'),
      });
      await quiescer.thaw();
    });

    it.each(['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR1', 'SIGUSR2'] as const)('A3 thaw at %s of what holds it, and tell it', async (name) => {
      const quiescer = await frozen();
      process.kill(bed.holder(), name);
      await expect.poll(() => bed.inPlace('frozen'), { timeout: 5000, interval: 20 }).toBe(false);
      await expect(quiescer.held()).rejects.toMatchObject({ code: 'FREEZE_LOST', message: expect.stringContaining(name) });
      await quiescer.thaw();
    });

    it('A2 notice that the process which holds it was killed; their unfreeze script thaws what outlives it', async () => {
      const quiescer = await frozen();
      const pid = bed.holder();
      process.kill(pid, 'SIGKILL');
      await gone(pid);
      await expect(quiescer.held()).rejects.toMatchObject({ code: 'FREEZE_LOST', message: expect.stringContaining(`(${pid}) has ended`) });
      expect(bed.inPlace('frozen')).toBe(true);
      await quiescer.thaw();
      expect(bed.inPlace('frozen')).toBe(false);
    });

    it('A3 thaw within 5 s when the freezer dies', async () => {
      const quiescer = await frozen();
      const pid = bed.holder();
      bed.loseFreezer();
      await expect.poll(() => bed.inPlace('frozen'), { timeout: 5000, interval: 20 }).toBe(false);
      await gone(pid);
      await expect(quiescer.held()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
      expect(bed.log()).toMatch(/\[ERROR\] fake@fake: thawed without being asked: the freezer ended/);
    });

    it('A3 do not freeze for a freezer that is dead', async () => {
      bed.fake();
      const quiescer = bed.one();
      bed.loseFreezer();
      // A socket that nobody listens on, as a process that was killed leaves it.
      mkdirSync(bed.runFolder);
      await leaveDeadSocket(join(bed.runFolder, 'rdfreeze.sock'));
      await expect(quiescer.freeze(limit())).rejects.toMatchObject({ code: 'FREEZE_DIED' });
      expect(bed.inPlace('frozen')).toBe(false);
    });

    it('A3 thaw by themselves at the deadline, without anybody', async () => {
      bed.fake();
      const quiescer = bed.one();
      await quiescer.freeze(limit(2500));
      const pid = bed.holder();
      await expect.poll(() => bed.inPlace('frozen'), { timeout: 10_000, interval: 20 }).toBe(false);
      await gone(pid);
      await expect(quiescer.held()).rejects.toMatchObject({
        code: 'FREEZE_LOST',
        message: expect.stringContaining('it ran into its limit'),
      });
      // The agent knows; its thaw is no failure.
      await quiescer.thaw();
    });

    it('A3 undo a freeze whose script is killed while the database makes it wait', async () => {
      bed.fake({ mode: 'slow' });
      const stop = new AbortController();
      const freezing = bed.one().freeze(limitOf(30_000, stop.signal));
      await expect.poll(() => bed.inPlace('frozen')).toBe(true);
      const pid = bed.holder();
      stop.abort();
      await expect(freezing).rejects.toMatchObject({ code: expect.stringMatching(/FREEZE_|SCRIPT_/) });
      expect(bed.inPlace('frozen')).toBe(false);
      await gone(pid);
    });

    it('A3 thaw although the process that holds it is stopped', async () => {
      const quiescer = await frozen();
      const pid = bed.holder();
      process.kill(pid, 'SIGSTOP');
      await quiescer.thaw();
      expect(bed.inPlace('frozen')).toBe(false);
      await gone(pid);
    });

    it('A3 keep what they hold in a folder that nobody else can write', async () => {
      bed.fake();
      const quiescer = bed.one();
      chmodSync(bed.runFolder, 0o770);
      await expect(quiescer.freeze(limit())).rejects.toMatchObject({ code: 'SCRIPT_FAILED' });
      expect(bed.log()).toMatch(/\[ERROR\] .*freeze.f1 is not usable: the directory .* may be written by its group/);
      await expect(openRunFolder(join(bed.home, 'run'), bed.id)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
      await expect(openRunFolder(join(bed.home, 'run'), '../x')).rejects.toMatchObject({ code: 'USAGE' });
    });

    it('A3 go on thawing until it works', async () => {
      const quiescer = await frozen({ mode: 'stuck' });
      const pid = bed.holder();
      writeFileSync(join(bed.place, 'stuck'), '');
      await expect(quiescer.thaw()).rejects.toMatchObject({ code: 'FREEZE_THAW_FAILED' });
      expect(lives(pid)).toBe(true);
      rmSync(join(bed.place, 'stuck'));
      // Nobody asks again; what holds it does not need that.
      await expect.poll(() => bed.inPlace('frozen'), { interval: 50 }).toBe(false);
      await gone(pid);
      await quiescer.thaw();
    });
  });
});

/** Binds in another process and kills it, so that the socket's file stays. */
async function leaveDeadSocket(path: string): Promise<void> {
  const other = `${path}.other`;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(other, resolve));
  // Node removes the name it knows; the new one stays.
  renameSync(other, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  expect(existsSync(path)).toBe(true);
}
