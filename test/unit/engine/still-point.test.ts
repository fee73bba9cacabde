import { describe, expect, it } from 'vitest';
import { failure } from '../../../src/base/errors.ts';
import { type Frozen, type Ground, stillPoint } from '../../../src/engine/still-point.ts';
import { type ConsistencyChoice, defaultConsistency } from '../../../src/model/consistency.ts';
import type { ThawReport } from '../../../src/model/freeze.ts';
import type { Warning } from '../../../src/model/warning.ts';

const asked: ConsistencyChoice = { ...defaultConsistency, freeze: true };
const strict: ConsistencyChoice = { ...asked, otherwise: 'fail' };
const good: ThawReport = { held: true, thawed: true, steps: [], facts: { db: { position: 'bin.1:4' } }, frozenMs: 12 };

interface Given {
  readonly ground?: Partial<Ground>;
  readonly freeze?: Error;
  readonly proof?: string;
  readonly take?: Error;
  readonly report?: ThawReport;
  readonly names?: readonly string[];
  /** The host lets the writers be stopped. */
  readonly stops?: false;
  /** What is seen only when the image is opened. */
  readonly late?: string | Error;
  /** The task is cancelled when this step comes. */
  readonly cancel?: 'freeze' | 'snapshot';
}

/** A run whose steps write down when they come. */
function stage(given: Given = {}) {
  const order: string[] = [];
  const stop = new AbortController();
  const warnings: Warning[] = [];
  const ground: Ground = {
    live: 'file',
    take: async () => {
      order.push('snapshot');
      if (given.cancel === 'snapshot') stop.abort(new Error('cancelled'));
      if (given.take) throw given.take;
      return {
        open: async () => {
          order.push('open');
          if (given.late instanceof Error) throw given.late;
          return given.late;
        },
        places: { planned: [{ path: '/srv', canonical: '/srv' }], images: [{ top: '/srv', image: '/image/srv' }] },
        intact: async () => undefined,
        remove: async () => {
          order.push('remove');
        },
      };
    },
    ...given.ground,
  };
  const frozen = (writersOf: readonly string[]): Frozen => ({
    names: given.names ?? ['db'],
    writersStopped: writersOf.length > 0 && given.stops !== false,
    prove: async () => {
      order.push('prove');
      return given.proof === undefined ? undefined : failure('FREEZE_LOST', { name: 'db', detail: given.proof }).toProblem();
    },
    thaw: async () => {
      order.push('thaw');
      return given.report ?? good;
    },
  });
  const deps = {
    signal: stop.signal,
    warn: (warning: Warning) => void warnings.push(warning),
    freeze: async (writersOf: readonly string[]) => {
      order.push(['freeze', ...writersOf].join(' '));
      if (given.cancel === 'freeze') stop.abort(new Error('cancelled'));
      if (given.freeze) throw given.freeze;
      return frozen(writersOf);
    },
  };
  return { order, warnings, run: (choice: ConsistencyChoice) => stillPoint(choice, ground, deps) };
}

const apart = { reason: 'two volumes one after the other', volumes: ['/srv/a', '/srv/b'] };
const down = failure('DATABASE_DOWN', { database: 'mysql', address: 'here', detail: 'nobody listens' });
const full = failure('SNAPSHOT_NO_SPACE', { path: '/srv', detail: 'the group is full' });
const noImage = failure('SNAPSHOT_NO_PROVIDER', { path: '/srv', detail: 'ext4' }).toProblem();

describe('the still point', () => {
  it('A2 freezes, takes the image, proves and thaws, in this order; only then the mark is application-consistent', async () => {
    const { order, run, warnings } = stage();
    const point = await run(asked);
    expect(order).toEqual(['freeze', 'snapshot', 'prove', 'thaw', 'open']);
    expect(point).toMatchObject({ mark: { level: 'application' }, freeze: { names: ['db'], facts: good.facts, frozenMs: 12 } });
    expect(point.placeOf?.('/srv/data')).toBe('/image/srv/data');
    await point.close();
    expect(order.at(-1)).toBe('remove');
    expect(warnings).toEqual([]);
  });

  it('A2 without a freeze an image is crash-consistent, and nothing is frozen', async () => {
    const { order, run } = stage();
    expect((await run(defaultConsistency)).mark).toEqual({ level: 'crash' });
    expect(order).toEqual(['snapshot', 'open']);
  });

  it.each<[string, Given, RegExp]>([
    ['a freeze that failed', { freeze: down }, /nobody listens/],
    ['a proof that failed', { proof: 'session 7 is gone' }, /session 7 is gone/],
    [
      'a freeze that expired before the thaw',
      { report: { ...good, held: false, lost: { cause: 'expired', reason: 'ran into its limit of 60 s' } } },
      /limit of 60 s/,
    ],
    ['a host with no application on it', { names: [] }, /nothing on this host was frozen/],
    ['volumes imaged one after the other', { ground: { apart }, stops: false }, /two volumes/],
    ['what is read beside the image', { ground: { beside: 'what is mounted on /srv/x' } }, /mounted on .srv.x/],
    ['what is seen to be no moment when the image is opened', { late: 'a subvolume was made meanwhile' }, /made meanwhile/],
  ])('A2 %s falls back to a lesser mark with the reason, or fails where the plan says so', async (_, given, reason) => {
    const falling = stage(given);
    const { mark } = await falling.run(asked);
    expect(mark).toMatchObject({ level: given.ground || given.late ? 'file' : 'crash', reason: expect.stringMatching(reason) });
    expect(falling.warnings).toMatchObject([{ detail: expect.stringMatching(reason) }]);

    const failing = stage(given);
    await expect(failing.run(strict)).rejects.toMatchObject({ code: 'CONSISTENCY_NOT_REACHED', message: expect.stringMatching(reason) });
    if (!given.freeze) expect(failing.order).toEqual([expect.stringMatching(/^freeze/), 'snapshot', 'prove', 'thaw', 'open', 'remove']);
  });

  it('A2 volumes whose writers stood still, proven, are one moment; the freeze is told which volumes', async () => {
    const { order, run, warnings } = stage({ ground: { apart } });
    expect((await run(asked)).mark).toEqual({ level: 'application' });
    expect(order).toEqual(['freeze /srv/a /srv/b', 'snapshot', 'prove', 'thaw', 'open']);
    expect(warnings).toEqual([]);
  });

  it('A2 they are one moment without an application, too, and what was stopped is kept in the backup', async () => {
    const point = await stage({ ground: { apart }, names: [] }).run(asked);
    expect(point.mark).toEqual({ level: 'crash', reason: 'nothing on this host was frozen' });
    expect(point.freeze).toMatchObject({ names: [], facts: good.facts });
  });

  it.each<[string, Given]>([
    ['somebody let them run on', { proof: 'somebody let db (7) run on' }],
    ['the limit came first', { report: { ...good, held: false, lost: { cause: 'expired', reason: 'somebody let the limit pass' } } }],
    ['they must not be stopped', { freeze: failure('FREEZE_REFUSED', { name: 'w', detail: 'somebody let the host swap there' }) }],
  ])('A2 they are not where %s, and the reason is told', async (_, given) => {
    const { run } = stage({ ground: { apart }, ...given });
    expect((await run(asked)).mark).toMatchObject({ level: 'file', reason: expect.stringContaining('somebody let') });
  });

  it('A2 what lies beside the image is not mended by stopping anybody', async () => {
    const { mark } = await stage({ ground: { apart, beside: 'a tmpfs' } }).run(asked);
    expect(mark).toEqual({ level: 'file', reason: 'a tmpfs' });
  });

  it('A2 without a freeze several volumes are no moment, and the mark says what would help', async () => {
    const { order, run, warnings } = stage({ ground: { apart } });
    const { mark } = await run(defaultConsistency);
    expect(mark).toMatchObject({ level: 'file', reason: expect.stringMatching(/two volumes.*--consistency application stops/) });
    expect(order).toEqual(['snapshot', 'open']);
    expect(warnings).toEqual([]);
  });

  it('A3 an image that cannot be opened is removed, and what is live is read where the plan allows it', async () => {
    const { order, run } = stage({ late: full });
    expect((await run(asked)).mark).toEqual({ level: 'file', reason: full.message });
    expect(order.slice(-2)).toEqual(['open', 'remove']);
    const strictly = stage({ late: full });
    await expect(strictly.run(strict)).rejects.toMatchObject({ code: 'SNAPSHOT_NO_SPACE' });
    expect(strictly.order).toContain('remove');
    const broken = stage({ late: new Error('a defect') });
    await expect(broken.run(asked)).rejects.toThrow('a defect');
    expect(broken.order.at(-1)).toBe('remove');
  });

  it('A2 a freeze of nothing is not kept in the backup', async () => {
    expect((await stage({ names: [] }).run(asked)).freeze).toBeUndefined();
  });

  it('A3 a task that was cancelled while it froze thaws without an image; one cancelled later leaves no image behind', async () => {
    const early = stage({ cancel: 'freeze' });
    await expect(early.run(asked)).rejects.toThrow('cancelled');
    expect(early.order).toEqual(['freeze', 'thaw']);
    const late = stage({ cancel: 'snapshot' });
    await expect(late.run(asked)).rejects.toThrow('cancelled');
    expect(late.order).toEqual(['freeze', 'snapshot', 'prove', 'thaw', 'remove']);
  });

  it('A3 an image that cannot be had is thawed from all the same, and what is live is read where the plan allows it', async () => {
    const { order, run, warnings } = stage({ take: full });
    const point = await run(asked);
    expect(order).toEqual(['freeze', 'snapshot', 'prove', 'thaw']);
    expect(point.mark).toEqual({ level: 'file', reason: full.message });
    expect(point.placeOf).toBeUndefined();
    expect(warnings).toHaveLength(1);
    await expect(stage({ take: full }).run(strict)).rejects.toMatchObject({ code: 'SNAPSHOT_NO_SPACE' });
  });

  it('A3 what is no matter of snapshots ends the backup after the thaw', async () => {
    const { order, run } = stage({ take: new Error('a defect') });
    await expect(run(asked)).rejects.toThrow('a defect');
    expect(order.at(-1)).toBe('thaw');
  });

  it('A3 a thaw that failed wins over everything else', async () => {
    const problem = failure('FREEZE_THAW_FAILED', { name: 'db', detail: 'it hangs' }).toProblem();
    const report: ThawReport = { ...good, thawed: false, steps: [{ action: 'thaw', name: 'db', ms: 1, problem }] };
    expect((await stage({ report }).run(asked)).mark).toMatchObject({ level: 'crash', reason: expect.stringContaining('it hangs') });
    await expect(stage({ report, take: full }).run(asked)).rejects.toMatchObject({ code: 'FREEZE_THAW_FAILED' });
  });

  it('A2 a disk that is written to and has no image is refused unless the plan allows it', async () => {
    const ground: Partial<Ground> = { none: noImage, live: 'none', writer: { path: '/dev/vdb1', what: 'mounted on /srv' } };
    await expect(stage({ ground }).run(defaultConsistency)).rejects.toMatchObject({ code: 'SOURCE_LIVE_DISK' });
    const { mark } = await stage({ ground }).run({ ...defaultConsistency, allowInconsistent: true });
    expect(mark).toEqual({ level: 'none', reason: noImage.detail });
  });

  it('A2 without an image nothing is frozen: it would prove nothing', async () => {
    const { order, run } = stage({ ground: { none: noImage } });
    expect((await run(asked)).mark).toEqual({ level: 'file', reason: noImage.detail });
    expect(order).toEqual([]);
  });
});
