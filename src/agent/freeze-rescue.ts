// rdfreeze rescue: thaws what freezes left whose rdfreeze is dead. Harmless at any time; run at every start and after every such death.
import { closeSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { asStillpointError, failure, type Problem } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import type { Layout } from '../config/layout.ts';
import { type Thawable, thawAll } from '../engine/freeze-thaw.ts';
import { settledWithin, systemTimers } from '../engine/freeze-timers.ts';
import { leftFrozen } from '../quiescers/file-systems/left-frozen.ts';
import { checkRunFolder } from '../quiescers/scripts/run-folder.ts';
import { leftStopped } from '../quiescers/writers/noted.ts';
import { type Applications, freezeApplications } from './freeze-applications.ts';
import { deadFreezes, isOfThisBoot, type Ledger, type LedgerEntry } from './freeze-ledger.ts';
import { lockRescue } from './freeze-lock.ts';
import { endOrphans } from './freeze-orphans.ts';

export interface RescueReport {
  /** Names of what was thawed. */
  readonly thawed: readonly string[];
  /** What may still be frozen. */
  readonly problems: readonly Problem[];
}

/** Others who rescue at the same time are waited for so long (s). */
const turnSeconds = 20;

/** Thaws again and again until nothing is left or `patienceMs` have passed. Never rejects. */
export async function rescue(layout: Layout, patienceMs = 20_000, applications = freezeApplications): Promise<RescueReport> {
  try {
    if (!existsSync(join(layout.run, 'freeze'))) return { thawed: [], problems: [] };
    checkRunFolder(join(layout.run, 'freeze'));
    const turn = await lockRescue(join(layout.run, 'freeze', 'rescue.lock'), turnSeconds);
    if (turn === undefined) return { thawed: [], problems: [busy()] };
    try {
      const reports = await Promise.all(deadFreezes(layout.run).map((dead) => rescueOne(layout, dead, patienceMs, applications)));
      return { thawed: reports.flatMap(({ thawed }) => thawed), problems: reports.flatMap(({ problems }) => problems) };
    } finally {
      closeSync(turn);
    }
  } catch (error) {
    return { thawed: [], problems: [asStillpointError(error).toProblem()] };
  }
}

const busy = (): Problem =>
  failure('FREEZE_THAW_FAILED', { name: 'what a dead freeze left', detail: 'somebody else has been at it for too long' }).toProblem();

interface Dead {
  readonly folder: string;
  readonly ledger: Ledger;
}

async function rescueOne(
  layout: Layout,
  { folder, ledger }: Dead,
  patienceMs: number,
  open: typeof freezeApplications,
): Promise<RescueReport> {
  const thawed: string[] = [];
  const failed = new Map<string, Problem>();
  endOrphans(folder);
  const applications = open(layout, ledger.id, folder);
  const thawing = thawAll(thawables(folder, ledger, applications), {
    timers: systemTimers,
    pending: Promise.resolve(),
    now: () => systemClock.boottime(),
    learned: () => undefined,
    attempted: ({ name }, _, error) => {
      if (error) failed.set(name, error.toProblem());
      else thawed.push(name);
      if (!error) failed.delete(name);
    },
  });
  const done = await settledWithin(thawing.all, patienceMs, systemTimers);
  if (done) {
    applications.flush();
    rmSync(folder, { recursive: true, force: true });
  }
  applications.close();
  const rest =
    done || failed.size > 0 ? [] : [failure('FREEZE_THAW_FAILED', { name: `freeze ${ledger.id}`, detail: 'no answer' }).toProblem()];
  return { thawed, problems: [...failed.values(), ...rest] };
}

/** The processes first: a server that is stopped answers no script. Then the file systems: the scripts may want to write. */
function thawables(folder: string, ledger: Ledger, applications: Applications): readonly Thawable[] {
  const { entries } = ledger;
  const of = <K extends LedgerEntry['kind']>(kind: K) =>
    entries.filter((entry): entry is Extract<LedgerEntry, { kind: K }> => entry.kind === kind);
  const stopped = isOfThisBoot(ledger) && of('writers').length > 0 ? [leftStopped(folder)] : [];
  const disks = isOfThisBoot(ledger) ? of('file-system').map(({ point, device }) => leftFrozen(point, device)) : [];
  return [
    ...stopped,
    ...disks.toReversed(),
    ...of('application')
      .toReversed()
      .map(({ name }) => applications.left(name)),
  ];
}
