// rdmonitor without processes: what it starts, kills and says, in which order, on a clock that the test owns.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { layoutOf, makeLayout } from '../../../src/config/layout.ts';
import type { Child } from '../../../src/monitor/child.ts';
import { monitor } from '../../../src/monitor/monitor.ts';
import type { Service } from '../../../src/monitor/services.ts';
import { defaultTimes } from '../../../src/monitor/times.ts';
import { type OwnTime, ownTime, type Story, story } from './times.ts';

interface FakeChild extends Child {
  die(how: string): void;
}

type Answer = 'well' | 'never' | 'refused';

let home: string;
let time: OwnTime;
let log: Story;
let answer: Record<string, Answer>;
let children: Record<string, FakeChild[]>;
/** How a process takes SIGTERM. */
let takesEnd: 'ends' | 'stays';
let orders: { readonly stop: AbortController; readonly hurry: AbortController };
let over: Promise<void>;
let isOver: boolean;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'monitor-'));
  time = ownTime();
  log = story();
  answer = {};
  children = { first: [], second: [] };
  takesEnd = 'ends';
  orders = { stop: new AbortController(), hurry: new AbortController() };
  isOver = false;
});
afterEach(async () => {
  takesEnd = 'ends';
  orders.stop.abort();
  await time.pass(120_000);
  expect(isOver).toBe(true);
  rmSync(home, { recursive: true });
});

const stoppedFile = () => join(home, 'run', 'stopped');

function service(name: string): Service {
  return {
    name,
    command: [],
    env: {},
    stoppedBy: [stoppedFile()],
    ask: (_, signal) => {
      const kind = answer[name] ?? 'well';
      if (kind === 'refused') return Promise.reject(new Error('refused'));
      if (kind === 'well') return Promise.resolve();
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  };
}

let nextPid = 0;
function start({ name }: Service): Child {
  const end = Promise.withResolvers<string>();
  log.lines.push(`start ${name}`);
  const die = (how: string) => end.resolve(how);
  const child: FakeChild = {
    // Beyond what Linux gives to processes.
    pid: 5_000_000 + ++nextPid,
    exited: end.promise,
    end: () => {
      log.lines.push(`SIGTERM ${name}`);
      if (takesEnd === 'ends') die('exit code 0');
    },
    kill: () => {
      log.lines.push(`SIGKILL ${name}`);
      die('signal SIGKILL');
    },
    die,
  };
  children[name]?.push(child);
  return child;
}

async function begin(rescue: () => Promise<boolean> = async () => log.lines.push('rescue') > 0): Promise<void> {
  const layout = layoutOf({ AGENT_HOME: home, AGENT_RUN: join(home, 'run') });
  makeLayout(layout);
  const services = [service('first'), service('second')];
  over = monitor(
    { layout, services, times: defaultTimes, ...time, start, log, rescue },
    { stop: orders.stop.signal, hurry: orders.hurry.signal },
  );
  over = over.then(() => {
    isOver = true;
  });
  // The lock is a program's, which takes its own time.
  await expect.poll(() => log.lines[0]).toBe('rdmonitor starts');
  await time.pass(0);
}

/** What was done, without words. */
const acts = () => log.lines.filter((line) => /^(rescue|start|SIG\w+)( |$)/.test(line));
const alarms = () => log.lines.filter((line) => line.startsWith('ALARM'));
const last = (name: string) => children[name]?.at(-1) as FakeChild;

describe('rdmonitor', () => {
  it('A18 thaws, starts one after the other answers, stops in reverse order and thaws again', async () => {
    answer['first'] = 'refused';
    await begin();
    await time.pass(5000);
    expect(acts()).toEqual(['rescue', 'start first']);
    answer['first'] = 'well';
    await time.pass(300);
    expect(acts()).toEqual(['rescue', 'start first', 'rescue', 'start second']);
    log.lines.length = 0;
    orders.stop.abort();
    await time.pass(0);
    expect(acts()).toEqual(['SIGTERM second', 'SIGTERM first', 'rescue']);
    expect(isOver).toBe(true);
  });

  it('A18 starts the second after a minute even if the first does not answer, and says so', async () => {
    answer['first'] = 'refused';
    await begin();
    await time.pass(59_000);
    expect(children['second']).toEqual([]);
    await time.pass(1500);
    expect(children['second']).toHaveLength(1);
    expect(log.lines.join('\n')).toContain('first has not answered yet');
  });

  it('A3 A18 of a process that died: at once the rescue, and again before the start; the other one is left alone', async () => {
    await begin();
    await time.pass(20_000);
    log.lines.length = 0;
    last('second').die('signal SIGKILL');
    await time.pass(0);
    expect(acts()).toEqual(['rescue']);
    await time.pass(1000);
    expect(acts()).toEqual(['rescue', 'rescue', 'start second']);
    expect(children['first']).toHaveLength(1);
  });

  it('A18 kills what did not answer three requests in a row, thaws, starts it again; two are forgiven', async () => {
    await begin();
    await time.pass(10_000);
    answer['second'] = 'never';
    await time.pass(35_000);
    answer['second'] = 'well';
    await time.pass(30_000);
    expect(children['second']).toHaveLength(1);
    answer['second'] = 'never';
    log.lines.length = 0;
    await time.pass(61_000);
    answer['second'] = 'well';
    await time.pass(2000);
    expect(acts().slice(0, 2)).toEqual(['SIGKILL second', 'rescue']);
    expect(acts().slice(-2)).toEqual(['rescue', 'start second']);
    expect(children['second']).toHaveLength(2);
  });

  it('A18 of a host that slept: a request that came to nothing meanwhile counts as none', async () => {
    await begin();
    await time.pass(10_000);
    answer['second'] = 'never';
    for (let nap = 0; nap < 5; nap++) {
      // Within each round, whatever it is waiting for.
      time.sleepHost(3_600_000);
      await time.pass(10_000);
    }
    expect(children['second']).toHaveLength(1);
    expect(acts()).not.toContain('SIGKILL second');
    // Awake it counts.
    await time.pass(65_000);
    expect(acts()).toContain('SIGKILL second');
  });

  it('A18 gives a start two minutes to its first answer', async () => {
    answer['first'] = 'refused';
    await begin();
    await time.pass(119_000);
    expect(children['first']).toHaveLength(1);
    await time.pass(4000);
    expect(acts()).toContain('SIGKILL first');
    expect(children['first']).toHaveLength(2);
  });

  it('A18 raises one alarm when a process had to be started three times within ten minutes', async () => {
    await begin();
    for (let death = 1; death <= 4; death++) {
      await time.pass(5000);
      last('second').die('exit code 1');
      await time.pass(10_000);
      expect(alarms()).toHaveLength(death < 3 ? 0 : 1);
    }
    expect(alarms()[0]).toContain('second had to be started again 3 times');
  });

  it('A3 A18 starts what is to be started when the rescue does not come to an end', async () => {
    await begin(() => new Promise(() => undefined));
    await time.pass(29_000);
    expect(acts()).toEqual([]);
    await time.pass(2000);
    expect(acts()).toEqual(['start first', 'start second']);
    expect(alarms()[0]).toContain('may still be frozen');
  });

  it('A11 does not start what was stopped on purpose, thaws all the same, and starts it when that is over', async () => {
    await begin();
    await time.pass(10_000);
    writeFileSync(stoppedFile(), '');
    log.lines.length = 0;
    last('second').die('exit code 0');
    await time.pass(600_000);
    expect(acts()).toEqual(['rescue']);
    expect(log.lines.join('\n')).toContain('second was stopped on purpose');
    rmSync(stoppedFile());
    await time.pass(2000);
    expect(acts()).toEqual(['rescue', 'rescue', 'start second']);
    expect(alarms()).toEqual([]);
  });

  it('A11 does not kill what is being stopped and so answers nobody', async () => {
    await begin();
    await time.pass(10_000);
    writeFileSync(stoppedFile(), '');
    answer['second'] = 'never';
    await time.pass(600_000);
    expect(acts()).not.toContain('SIGKILL second');
  });

  it('A18 stops with patience: SIGTERM, another one when it is hurried, SIGKILL after 30 s', async () => {
    await begin();
    await time.pass(10_000);
    takesEnd = 'stays';
    log.lines.length = 0;
    orders.stop.abort();
    await time.pass(10_000);
    orders.hurry.abort();
    await time.pass(19_000);
    expect(acts()).toEqual(['SIGTERM second', 'SIGTERM second']);
    await time.pass(32_000);
    expect(acts()).toEqual(['SIGTERM second', 'SIGTERM second', 'SIGKILL second', 'SIGTERM first', 'SIGKILL first', 'rescue']);
    expect(isOver).toBe(true);
  });

  it('A18 stops while it waits for a first answer, for a restart and for leave to start', async () => {
    answer['first'] = 'refused';
    await begin();
    await time.pass(1000);
    writeFileSync(stoppedFile(), '');
    last('first').die('exit code 1');
    await time.pass(1000);
    orders.stop.abort();
    await time.pass(0);
    expect(isOver).toBe(true);
    expect(children['second']).toEqual([]);
  });

  it('A18 lets no second one begin on its home', async () => {
    await begin();
    const layout = layoutOf({ AGENT_HOME: home, AGENT_RUN: join(home, 'run') });
    const second = monitor(
      { layout, services: [], times: defaultTimes, ...time, start, log },
      { stop: orders.stop.signal, hurry: orders.hurry.signal },
    );
    await expect(second).rejects.toMatchObject({
      code: 'AGENT_RUNNING',
      message: expect.stringContaining(`rdmonitor is process ${process.pid}`),
    });
  });
});
