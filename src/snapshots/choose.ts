// One plan for all that a backup reads, whatever it lies on, or the reason why there is none.
import { asStillpointError, failure, type StillpointError } from '../base/errors.ts';
import type { Snapshot, SnapshotPlan, SnapshotProvider } from '../ports/snapshot.ts';
import { eachOf } from './trouble.ts';

export type Choice = { readonly plan: SnapshotPlan } | { readonly problem: StillpointError };

/**
 * The first of `providers` that takes all of `paths` at one instant; else the first that takes them all; else each path by the first that
 * takes it. `problem`: SNAPSHOT_NO_PROVIDER, or what the only provider for a path refuses with. Throws what is no matter of snapshots
 * (SOURCE_MISSING).
 */
export async function chooseSnapshot(providers: readonly SnapshotProvider[], paths: readonly string[]): Promise<Choice> {
  const whole: SnapshotPlan[] = [];
  for (const provider of providers) {
    const plan = await planWith(provider, paths);
    if (plan && 'volumes' in plan) whole.push(plan);
  }
  const one = whole.find(({ apart }) => apart === undefined) ?? whole[0];
  return one ? { plan: one } : combined(providers, paths);
}

/** A refusal is no plan, but it is a reason. */
async function planWith(provider: SnapshotProvider, paths: readonly string[]): Promise<SnapshotPlan | StillpointError | undefined> {
  try {
    return await provider.plan(paths);
  } catch (error) {
    const refusal = asStillpointError(error);
    if (!refusal.code.startsWith('SNAPSHOT_')) throw error;
    return refusal;
  }
}

async function combined(providers: readonly SnapshotProvider[], paths: readonly string[]): Promise<Choice> {
  const shares = new Map<SnapshotProvider, string[]>();
  for (const path of paths) {
    let refusal: StillpointError | undefined;
    let taker: SnapshotProvider | undefined;
    for (const provider of providers) {
      const plan = await planWith(provider, [path]);
      if (plan && 'volumes' in plan) {
        taker = provider;
        break;
      }
      refusal ??= plan;
    }
    if (!taker) return { problem: refusal ?? none(path, providers) };
    shares.set(taker, [...(shares.get(taker) ?? []), path]);
  }
  const parts: Part[] = [];
  for (const [provider, share] of shares) {
    const plan = await planWith(provider, share);
    if (!plan || !('volumes' in plan)) return { problem: plan ?? none(share[0]!, providers) };
    parts.push({ plan, paths: share });
  }
  return parts.length === 1 ? { plan: parts[0]!.plan } : joinedPlan(parts);
}

function none(path: string, providers: readonly SnapshotProvider[]): StillpointError {
  const detail = providers.length === 0 ? 'no provider is set up' : `it is on no volume of ${providers.map(({ name }) => name).join(', ')}`;
  return failure('SNAPSHOT_NO_PROVIDER', { path, detail });
}

interface Part {
  readonly plan: SnapshotPlan;
  readonly paths: readonly string[];
}

function joinedPlan(parts: readonly Part[]): Choice {
  const [first, ...others] = parts;
  const odd = others.find(({ plan }) => plan.freezes !== first!.plan.freezes);
  if (odd) {
    const detail = `${odd.plan.provider} and ${first!.plan.provider} want its file systems frozen by different hands`;
    return { problem: failure('SNAPSHOT_NO_PROVIDER', { path: odd.paths[0]!, detail }) };
  }
  const provider = parts.map(({ plan }) => plan.provider).join('+');
  const volumes = parts.flatMap(({ plan }) => plan.volumes);
  const plan: SnapshotPlan = {
    provider,
    freezes: first!.plan.freezes,
    volumes,
    apart: `${parts.map(({ plan }) => plan.provider).join(' and ')} take its ${volumes.length} volumes one after the other`,
    take: (name) => takeAll(parts, name),
  };
  return { plan };
}

/** All or none. */
async function takeAll(parts: readonly Part[], name: string): Promise<Snapshot> {
  const taken: Snapshot[] = [];
  const remove = () => eachOf(taken, (snapshot) => snapshot.remove());
  for (const { plan } of parts) {
    try {
      taken.push(await plan.take(name));
    } catch (error) {
      await remove().catch(() => undefined); // what is left, sweep() finds
      throw error;
    }
  }
  return {
    async open(warn) {
      const apart: string[] = [];
      for (const snapshot of taken) {
        const found = await snapshot.open(warn);
        if (found !== undefined) apart.push(found);
      }
      return apart.length === 0 ? undefined : apart.join('; ');
    },
    places: {
      planned: taken.flatMap(({ places }) => places.planned),
      images: taken.flatMap(({ places }) => places.images),
    },
    intact: () => eachOf(taken, (snapshot) => snapshot.intact()),
    remove,
  };
}
