// All that comes before the first freeze: the lock of the host, what a dead freeze left, the ledger, the life line, and what is to be frozen.
import { closeSync, existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fail, isCode, type Problem } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import type { Layout } from '../config/layout.ts';
import { createFreeze, type Freeze } from '../engine/freeze.ts';
import { systemTimers } from '../engine/freeze-timers.ts';
import type { FreezeRequest } from '../model/freeze.ts';
import type { Quiescer } from '../ports/quiescer.ts';
import { fileSystemQuiescer } from '../quiescers/file-systems/quiescer.ts';
import { resolveFileSystems } from '../quiescers/file-systems/resolve.ts';
import { openRunFolder } from '../quiescers/scripts/run-folder.ts';
import { writersQuiescer } from '../quiescers/writers/quiescer.ts';
import { targetOf } from '../quiescers/writers/target.ts';
import { freezeApplications, scriptsFolder } from './freeze-applications.ts';
import { appointHeir } from './freeze-heir.ts';
import { noteFreeze } from './freeze-history.ts';
import { type LedgerEntry, openLedger } from './freeze-ledger.ts';
import { lockHost, lockPathOf } from './freeze-lock.ts';
import { ownProcesses } from './freeze-own.ts';
import { rescue } from './freeze-rescue.ts';

export interface PreparedFreeze {
  readonly freeze: Freeze;
  /** To be called when nothing is frozen any more: writes the log, removes the ledger, lets others freeze. */
  close(): Promise<void>;
}

/** What can be frozen, and how the ledger names it. */
export interface Step {
  readonly quiescer: Quiescer;
  readonly entry: LedgerEntry;
}

/** How long the next freeze waits for what a dead one left (ms). */
const rescueMs = 10_000;

/** Freezes nothing yet. Throws FREEZE_BUSY, FREEZE_TOO_OFTEN, FREEZE_REFUSED, SCRIPT_…; nothing is left then. */
export async function prepareFreeze(layout: Layout, request: FreezeRequest, alarm: (problem: Problem) => void): Promise<PreparedFreeze> {
  const undo: (() => void)[] = [];
  const close = async () => {
    for (const one of undo.toReversed()) one();
  };
  try {
    const lock = await lockAndRescue(layout, request);
    undo.push(() => closeSync(lock));
    const folder = await openRunFolder(layout.run, request.id);
    undo.push(() => folder.close());
    const ledger = openLedger(folder.path, request.id);
    const heir = appointHeir(request.limitMs, [process.execPath, process.argv[1] ?? '', 'rescue']);
    undo.push(() => heir.dismiss());
    const applications = freezeApplications(layout, request.id, folder.path);
    undo.push(() => applications.close());
    undo.push(() => applications.flush());

    // Applications first: what they write when they come to rest still reaches their file systems. Processes last: who is stopped can be told
    // nothing any more.
    const scripts = request.applications ? applications.all() : [];
    const steps: readonly Step[] = [
      ...scripts.map((quiescer): Step => ({ quiescer, entry: { kind: 'application', name: quiescer.name } })),
      ...fileSystemSteps(layout, request.fileSystems, lock),
      ...writerSteps(request.writersOf ?? [], folder.path),
    ];
    const entryOf = new Map(steps.map(({ quiescer, entry }) => [quiescer, entry]));
    const freeze = createFreeze({
      quiescers: steps.map(({ quiescer }) => quiescer),
      limitMs: request.limitMs,
      clock: systemClock,
      timers: systemTimers,
      willFreeze: (quiescer) => ledger.add(entryOf.get(quiescer)!),
      alarm,
    });
    // Last: what could not be frozen at all hammers nobody.
    if (request.perHour !== undefined) noteFreeze(layout.run, request.perHour);
    return { freeze, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function fileSystemSteps(layout: Layout, points: readonly string[], keepOpen: number): Step[] {
  const mounts = points.length === 0 ? [] : resolveFileSystems(points, ownPaths(layout));
  return mounts.map((mount) => ({
    quiescer: fileSystemQuiescer(mount, { clock: systemClock, keepOpen }),
    entry: { kind: 'file-system', point: mount.point, device: mount.device },
  }));
}

function writerSteps(volumes: readonly string[], folder: string): Step[] {
  if (volumes.length === 0) return [];
  targetOf(volumes); // what stands against it is told before anything is frozen
  return [{ quiescer: writersQuiescer(volumes, { folder, ...ownProcesses(folder) }), entry: { kind: 'writers' } }];
}

/** What the agent needs to thaw and to tell of it: its own files, this program and its runtime. */
function ownPaths(layout: Layout): string[] {
  const { home, conf, data, log, tmp, run } = layout;
  const program = [dirname(process.execPath), dirname(fileURLToPath(import.meta.url)), process.cwd()];
  const own = [home, conf, data, log, tmp, run, lockPathOf(layout), scriptsFolder(layout), ...program];
  return own.map((path) => (existsSync(path) ? realpathSync(path) : path));
}

/** What a dead freeze left may hold the lock until it is thawed, so that comes first, too. */
async function lockAndRescue(layout: Layout, { id, waitMs = 0 }: FreezeRequest): Promise<number> {
  const path = lockPathOf(layout);
  const lock = await lockHost(path, id).catch(async (busy: unknown) => {
    if (!isCode(busy, 'FREEZE_BUSY')) throw busy;
    const { thawed } = await rescue(layout, rescueMs);
    if (thawed.length === 0 && waitMs === 0) throw busy;
    return lockHost(path, id, waitMs / 1000);
  });
  const { problems } = await rescue(layout, rescueMs);
  if (problems[0] === undefined) return lock;
  closeSync(lock);
  fail('FREEZE_BUSY', { holder: `what a dead freeze left: ${problems[0].detail}` });
}
