// freeze → snapshot → thaw: how what a backup reads becomes one moment, and how far that can be claimed.
import { asStillpointError, fail, failure, type Problem, StillpointError } from '../base/errors.ts';
import type { ConsistencyChoice, ConsistencyMark } from '../model/consistency.ts';
import type { FactsByName, ThawReport } from '../model/freeze.ts';
import type { DiskWriter } from '../model/images.ts';
import { placing } from '../model/place.ts';
import type { Snapshot } from '../ports/snapshot.ts';
import type { Warn } from '../ports/source.ts';
import { uncovered } from './covered.ts';

/** What the source lies on, and the image that could be made of it. */
export interface Ground {
  /** What reading it as it is would be worth; `none` for a disk that is written to meanwhile, with what writes to it. */
  readonly live: ConsistencyMark['level'];
  readonly writer?: DiskWriter;
  /** Why there is no image; undefined: there is one. */
  readonly none?: Problem;
  /** Why the image would not be one moment: its volumes are imaged one after the other. Whoever writes to them has to stand still meanwhile. */
  readonly apart?: { readonly reason: string; readonly volumes: readonly string[] };
  /** Whether a path of this host is in the backup, and imaged. */
  readonly covered?: (path: string) => boolean;
  /** What is read live beside the image, which nobody can make one moment with it. */
  readonly beside?: string;
  take(): Promise<Snapshot>;
}

/** Applications that hold still. */
export interface Frozen {
  /** None where no application was found. */
  readonly names: readonly string[];
  /** The processes that write to the volumes were stopped, too; until the proof. */
  readonly writersStopped?: boolean;
  /** Why it cannot be said that they hold still since they were frozen; undefined: they do. To be asked once the image exists. Never rejects. */
  prove(): Promise<Problem | undefined>;
  /** Never rejects; idempotent. */
  thaw(): Promise<ThawReport>;
}

export interface StillPointDeps {
  readonly signal: AbortSignal;
  readonly warn: Warn;
  /** `writersOf`: volumes whose writers are to be stopped. Throws FREEZE_…; nothing is frozen then. */
  freeze(writersOf: readonly string[]): Promise<Frozen>;
}

export interface StillPoint {
  readonly mark: ConsistencyMark;
  /** What was frozen, and what it said of itself (positions in logs): kept in the backup. */
  readonly freeze?: { readonly names: readonly string[]; readonly facts: FactsByName; readonly frozenMs: number };
  /** Where a live path is read in the image; undefined: where it is. */
  readonly placeOf?: (path: string) => string;
  /** Throws SNAPSHOT_LOST when what was read cannot be relied upon. */
  intact(): Promise<void>;
  /** Never throws; what cannot be removed now is a warning. */
  close(): Promise<void>;
}

/**
 * Throws CONSISTENCY_NOT_REACHED where the plan says "fail" and what was asked for did not come about, and SOURCE_LIVE_DISK for a disk that
 * is written to and has no image.
 */
export async function stillPoint(choice: ConsistencyChoice, ground: Ground, deps: StillPointDeps): Promise<StillPoint> {
  if (ground.none) return withoutImage(choice, ground, ground.none, deps);
  const wanted = choice.freeze ? await tryToFreeze(choice, ground, deps) : notAsked;
  const held = await holding(wanted, () => ground.take(), deps.signal);
  if ('problem' in held) return withoutImage(choice, ground, mayFallBack(choice, held.problem), deps);
  const { snapshot } = held;
  let mark: ConsistencyMark;
  try {
    deps.signal.throwIfAborted();
    const beside = await opened(snapshot, deps.warn);
    if (beside instanceof StillpointError) {
      await removed(snapshot, deps.warn);
      return withoutImage(choice, ground, mayFallBack(choice, beside), deps);
    }
    mark = markOf(choice, ground, held, beside);
    reached(choice, mark, deps.warn);
  } catch (error) {
    await removed(snapshot, deps.warn);
    throw error;
  }
  return {
    mark,
    ...factsOf(wanted.frozen, held.report),
    placeOf: placing(snapshot.places),
    intact: () => snapshot.intact(),
    close: () => removed(snapshot, deps.warn),
  };
}

/** A freeze of nothing is not worth keeping. */
function factsOf(frozen: Frozen | undefined, report: ThawReport | undefined): Pick<StillPoint, 'freeze'> {
  if (!frozen || !report || (frozen.names.length === 0 && !frozen.writersStopped)) return {};
  return { freeze: { names: frozen.names, facts: report.facts, frozenMs: report.frozenMs } };
}

interface Wanted {
  readonly frozen?: Frozen;
  /** Why nothing is frozen although it was asked for. */
  readonly reason?: string;
}

const notAsked: Wanted = {};

async function tryToFreeze(choice: ConsistencyChoice, { apart }: Ground, deps: StillPointDeps): Promise<Wanted> {
  try {
    return { frozen: await deps.freeze(apart?.volumes ?? []) };
  } catch (error) {
    deps.signal.throwIfAborted();
    const { message } = asStillpointError(error);
    if (choice.otherwise === 'fail') fail('CONSISTENCY_NOT_REACHED', { reason: message }, { cause: error });
    return { reason: message };
  }
}

interface Taken {
  readonly snapshot: Snapshot;
  readonly report?: ThawReport;
  /** Why it is not application-consistent. */
  readonly reason?: string | undefined;
  /** Whoever writes to the volumes stood still, proven, while they were imaged. */
  readonly writersStopped?: boolean;
}

type Held =
  | Taken
  /** No image came about. */
  | { readonly problem: StillpointError };

/** Between freeze and thaw there is one line, and the proof. A thaw that fails wins over what else went wrong. */
async function holding({ frozen, reason }: Wanted, take: () => Promise<Snapshot>, signal: AbortSignal): Promise<Held> {
  if (signal.aborted) await letGo(frozen, signal);
  if (!frozen) return taken(take).then((image) => ({ ...image, reason }));
  const image = await taken(take);
  const problem = await frozen.prove();
  const report = await frozen.thaw();
  if (!report.thawed)
    return 'problem' in image ? { problem: stillFrozen(report) } : { ...image, report, reason: stillFrozen(report).message };
  const broken = problem?.detail ?? report.lost?.reason;
  const nothing = frozen.names.length === 0 ? nothingFrozen : undefined;
  return { ...image, report, reason: broken ?? nothing, writersStopped: frozen.writersStopped === true && broken === undefined };
}

/** A freeze of nothing holds without fail, and is worth nothing. */
const nothingFrozen = 'nothing on this host was frozen';

/** The task was cancelled while it froze: users do not wait for an image that nobody wants. */
async function letGo(frozen: Frozen | undefined, signal: AbortSignal): Promise<never> {
  const report = await frozen?.thaw();
  if (report && !report.thawed) throw stillFrozen(report);
  throw signal.reason;
}

/** Never rejects, so that nothing comes between the image and the thaw. */
async function taken(take: () => Promise<Snapshot>): Promise<{ readonly snapshot: Snapshot } | { readonly problem: StillpointError }> {
  try {
    return { snapshot: await take() };
  } catch (error) {
    return { problem: asStillpointError(error) };
  }
}

/** Why not all of it is one moment, where that is seen only now; or why it cannot be read. Rejects with what is no matter of snapshots. */
async function opened(snapshot: Snapshot, warn: Warn): Promise<string | undefined | StillpointError> {
  try {
    return await snapshot.open(warn);
  } catch (error) {
    const problem = asStillpointError(error);
    if (problem.code.startsWith('SNAPSHOT_')) return problem;
    throw error;
  }
}

/** A snapshot that cannot be had is what a plan may fall back from; anything else ends the backup. */
function mayFallBack({ otherwise }: ConsistencyChoice, problem: StillpointError): Problem {
  if (otherwise === 'fail' || !problem.code.startsWith('SNAPSHOT_')) throw problem;
  return problem.toProblem();
}

function stillFrozen({ steps }: ThawReport): StillpointError {
  const failed = steps.findLast((step) => step.action === 'thaw' && step.problem);
  return failure('FREEZE_THAW_FAILED', {
    name: failed?.name ?? 'what was frozen',
    detail: failed?.problem?.detail ?? 'no reason is known',
  });
}

/** Several images, one after the other, are no single moment unless nobody wrote meanwhile. */
function markOf(choice: ConsistencyChoice, ground: Ground, held: Taken, late: string | undefined): ConsistencyMark {
  const { report, writersStopped } = held;
  const missing = report && ground.covered && uncovered(report.facts, ground.covered);
  const reason = held.reason ?? missing;
  const apart = writersStopped ? undefined : ground.apart?.reason;
  const beside = ground.beside ?? late;
  const why = reason ?? (apart !== undefined && !choice.freeze ? `${apart}; ${stopsThem}` : apart) ?? beside;
  if (choice.freeze && why === undefined) return { level: 'application' };
  return { level: apart === undefined && beside === undefined ? 'crash' : 'file', ...(why !== undefined && { reason: why }) };
}

const stopsThem = '--consistency application stops those who write to them for that moment';

function withoutImage(choice: ConsistencyChoice, ground: Ground, none: Problem, { warn }: StillPointDeps): StillPoint {
  const { writer } = ground;
  if (writer && !writer.unknown && !choice.allowInconsistent) fail('SOURCE_LIVE_DISK', { path: writer.path, mount: writer.what });
  const reason = writer?.unknown ? writer.what : none.detail;
  const mark: ConsistencyMark = { level: ground.live, ...(choice.freeze || writer ? { reason } : {}) };
  reached(choice, mark, warn);
  return { mark, intact: async () => undefined, close: async () => undefined };
}

/** What was asked for and did not come about is an error or a warning, as the plan says. */
function reached(choice: ConsistencyChoice, mark: ConsistencyMark, warn: Warn): void {
  if (!choice.freeze || mark.level === 'application') return;
  const reason = mark.reason ?? 'no reason is known';
  if (choice.otherwise === 'fail') fail('CONSISTENCY_NOT_REACHED', { reason });
  warn({ item: 'consistency', detail: `not application-consistent: ${reason}` });
}

async function removed(snapshot: Snapshot, warn: Warn): Promise<void> {
  try {
    await snapshot.remove();
  } catch (error) {
    warn({ item: 'snapshot', detail: asStillpointError(error).message });
  }
}
