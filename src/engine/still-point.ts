// freeze → snapshot → thaw: how what a backup reads becomes one moment, and how far that can be claimed.
import { asStillpointError, fail, failure, type Problem, type StillpointError } from '../base/errors.ts';
import type { ConsistencyChoice, ConsistencyMark } from '../model/consistency.ts';
import type { FactsByName, ThawReport } from '../model/freeze.ts';
import type { Snapshot } from '../ports/snapshot.ts';
import type { Warn } from '../ports/source.ts';

/** What the source lies on, and the image that could be made of it. */
export interface Ground {
  /** What reading it as it is would be worth; `none` for a disk that is written to meanwhile, with what writes to it. */
  readonly live: ConsistencyMark['level'];
  readonly writer?: { readonly path: string; readonly mount: string };
  /** Why there is no image; undefined: there is one. */
  readonly none?: Problem;
  /** Why the image would not be one moment. */
  readonly apart?: string;
  take(): Promise<Snapshot>;
}

/** Applications that hold still. */
export interface Frozen {
  /** None where no application was found. */
  readonly names: readonly string[];
  /** Why it cannot be said that they hold still since they were frozen; undefined: they do. Never rejects. */
  prove(): Promise<Problem | undefined>;
  /** Never rejects; idempotent. */
  thaw(): Promise<ThawReport>;
}

export interface StillPointDeps {
  readonly signal: AbortSignal;
  readonly warn: Warn;
  /** Throws FREEZE_…; nothing is frozen then. */
  freeze(): Promise<Frozen>;
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
  const wanted = choice.freeze ? await tryToFreeze(choice, deps) : notAsked;
  const held = await holding(wanted, () => ground.take(), deps.signal);
  if ('problem' in held) return withoutImage(choice, ground, mayFallBack(choice, held.problem), deps);
  const { snapshot, reason } = held;
  const mark = markOf(choice, ground, reason);
  try {
    deps.signal.throwIfAborted();
    reached(choice, mark, deps.warn);
  } catch (error) {
    await removed(snapshot, deps.warn);
    throw error;
  }
  return {
    mark,
    ...(held.report && wanted.frozen && wanted.frozen.names.length > 0
      ? { freeze: { names: wanted.frozen.names, facts: held.report.facts, frozenMs: held.report.frozenMs } }
      : {}),
    placeOf: (path) => snapshot.placeOf(path),
    intact: () => snapshot.intact(),
    close: () => removed(snapshot, deps.warn),
  };
}

interface Wanted {
  readonly frozen?: Frozen;
  /** Why nothing is frozen although it was asked for. */
  readonly reason?: string;
}

const notAsked: Wanted = {};

async function tryToFreeze(choice: ConsistencyChoice, deps: StillPointDeps): Promise<Wanted> {
  try {
    return { frozen: await deps.freeze() };
  } catch (error) {
    deps.signal.throwIfAborted();
    const { message } = asStillpointError(error);
    if (choice.otherwise === 'fail') fail('CONSISTENCY_NOT_REACHED', { reason: message }, { cause: error });
    return { reason: message };
  }
}

type Held =
  | { readonly snapshot: Snapshot; readonly report?: ThawReport; readonly reason?: string | undefined }
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
  const nothing = frozen.names.length === 0 ? nothingFrozen : undefined;
  return { ...image, report, reason: problem?.detail ?? report.lost?.reason ?? nothing };
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

function markOf(choice: ConsistencyChoice, { apart }: Ground, reason: string | undefined): ConsistencyMark {
  const why = reason ?? apart;
  if (choice.freeze && why === undefined) return { level: 'application' };
  // Several images, one after the other, are no single moment.
  return { level: apart === undefined ? 'crash' : 'file', ...(why !== undefined && { reason: why }) };
}

function withoutImage(choice: ConsistencyChoice, ground: Ground, none: Problem, { warn }: StillPointDeps): StillPoint {
  if (ground.writer && !choice.allowInconsistent)
    fail('SOURCE_LIVE_DISK', { path: ground.writer.path, mount: `mounted on ${ground.writer.mount}` });
  const mark: ConsistencyMark = { level: ground.live, ...(choice.freeze || ground.writer ? { reason: none.detail } : {}) };
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
