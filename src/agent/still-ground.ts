// What a backup's source lies on, and the freezer: what engine/still-point.ts works with, made of the real adapters.
import { asStillpointError, failure, type Problem } from '../base/errors.ts';
import type { GroundSpec } from '../engine/deps.ts';
import type { Frozen, Ground } from '../engine/still-point.ts';
import type { DiskWriter } from '../model/images.ts';
import type { Warn } from '../ports/source.ts';
import { writersName } from '../quiescers/writers/name.ts';
import { writeOut } from '../snapshots/write-out.ts';
import { type FreezerSettings, startFreeze } from './freezer.ts';
import { coveredBy, readLive } from './ground-mounts.ts';
import type { Images } from './images.ts';

/** Throws SOURCE_MISSING, and what else is wrong with the paths. What dead tasks left behind is removed first. */
export async function groundOf({ source: settings, task }: GroundSpec, images: Images, warn: Warn): Promise<Ground> {
  await images.sweep(warn);
  if (!('paths' in settings)) return { live: 'none', ...noImage(nothingToImage) };
  const { kind, paths } = settings;
  const writer = kind === 'disk' ? oneOf(await images.writers(paths)) : undefined;
  const common: Pick<Ground, 'live' | 'writer' | 'covered'> = {
    live: kind === 'files' || writer?.unknown ? 'file' : writer ? 'none' : 'crash',
    ...(writer && { writer }),
    covered: coveredBy(settings),
  };
  const choice = await images.choose({ kind, paths, task }, warn);
  if ('none' in choice) return { ...common, ...noImage(choice.none) };
  const { plan } = choice;
  const apart = plan.apart === undefined ? undefined : { reason: plan.apart, volumes: plan.volumes };
  const beside = readLive(settings, plan);
  // Users would wait for it otherwise.
  if (kind === 'files') await writeOut(paths);
  return { ...common, ...(apart && { apart }), ...(beside !== undefined && { beside }), take: () => plan.take() };
}

/** One that certainly writes, else one of which that cannot be seen. */
const oneOf = (writers: readonly DiskWriter[]): DiskWriter | undefined => writers.find(({ unknown }) => !unknown) ?? writers[0];

const nothingToImage = failure('SNAPSHOT_NO_PROVIDER', {
  path: 'what comes in a stream',
  detail: 'there is nothing to image',
}).toProblem();

function noImage(none: Problem): Pick<Ground, 'none' | 'take'> {
  return {
    none,
    take: async () => {
      throw new Error('a ground without an image was asked for one');
    },
  };
}

/** How long another freeze on this host is waited for (ms). */
const waitMs = 120_000;

/**
 * Freezes the applications of this host, and stops what writes to `writersOf` (volumes of a snapshot plan). Throws FREEZE_…, SCRIPT_…,
 * DATABASE_…; nothing is frozen then.
 */
export async function freezeApplications(
  { task, consistency, freezesPerHour }: GroundSpec,
  settings: FreezerSettings,
  writersOf: readonly string[] = [],
): Promise<Frozen> {
  const limitMs = consistency.freezeLimit * 1000;
  const request = { id: task, applications: true, fileSystems: [], writersOf, limitMs, perHour: freezesPerHour, waitMs };
  const frozen = await startFreeze(request, settings);
  return {
    names: frozen.names.filter((name) => name !== writersName),
    writersStopped: frozen.names.includes(writersName),
    prove: () =>
      frozen.prove().then(
        () => undefined,
        (error: unknown) => asStillpointError(error).toProblem(),
      ),
    thaw: () => frozen.thaw(),
  };
}
