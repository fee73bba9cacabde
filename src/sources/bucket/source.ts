// A bucket, or what lies below a prefix in it, as a source: /bucket/objects holds its objects as they are now, /bucket/versions older versions.
import type { BucketSource } from '../../model/service.ts';
import type { ServiceSourceContext } from '../../ports/service.ts';
import type { Entry, Source } from '../../ports/source.ts';
import { sorted, virtualDir, virtualMeta } from '../../ports/virtual-entry.ts';
import { type BucketDoor, type DoorDeps, openBucket } from './door.ts';
import { type Listed, objectLister, versionLister } from './listing.ts';
import { namesRule, objectNames, versionNames } from './names.ts';
import { objectReader } from './object.ts';
import { bucketTree, noTime } from './tree.ts';

export const bucketRoot = 'bucket';

/** Throws BUCKET_FAILED. `deps`: for tests. */
export async function bucketSource(settings: BucketSource, context: ServiceSourceContext, deps: DoorDeps = {}): Promise<Source> {
  const door = await openBucket(settings.place, settings.credentials, context.signal, {
    localAddress: context.localAddress,
    ...deps,
  });
  if (door.empty) context.warn({ item: door.location, detail: 'there are no objects' });
  let listed = false;
  return {
    paths: [`/${bucketRoot}`],
    excludes: [],
    estimate: { bytes: 0, files: 0 },
    list() {
      if (listed) throw new Error('a source is listed once');
      listed = true;
      return rootOf(settings, context, door);
    },
    finish: async () => undefined,
    // Each object is whole, as it was when it was read; together they are no moment.
    tags: () => ({ consistency: 'file' }),
    close: async () => door.close(),
  };
}

async function* rootOf(settings: BucketSource, { warn }: ServiceSourceContext, door: BucketDoor): AsyncGenerator<Entry> {
  const reader = objectReader(door, warn);
  const objects = bucketTree({
    list: objectLister(door, warn),
    leaf: (part, [object], taken) => ({ names: objectNames(part, taken), entry: (name) => reader.entry(name, object!) }),
    plain: true,
  });
  const versions = bucketTree({
    list: versionLister(door, warn),
    leaf: (part, all) => ({ names: versionNames(part), entry: (name) => virtualDir(name, noTime, all.map(versionEntry)) }),
    plain: false,
  });
  const versionEntry = (one: Listed): Entry => reader.entry(versionName(one), one);
  const below = [aboutFile(settings), lazy('objects', objects), ...(settings.versions ? [lazy('versions', versions)] : [])];
  yield virtualDir(bucketRoot, noTime, sorted(below));
}

const lazy = (name: string, list: () => AsyncIterable<Entry>): Entry => ({ kind: 'dir', meta: virtualMeta(name, 'dir', noTime), list });

/** In the order of their times; the same name for the same version, whatever is added or expires beside it. */
function versionName({ modified, version = 'null', deleted }: Listed): string {
  const time = new Date(modified).toISOString().replaceAll(/[-:]/g, '');
  return `${time}-${version.replaceAll('/', '_').slice(0, 200)}${deleted ? '-deleted' : ''}`;
}

function aboutFile({ place, versions }: BucketSource): Entry {
  const { endpoint, bucket, prefix } = place;
  const about = { format: 1, method: 'snapshot', endpoint, bucket, prefix, versions, names: namesRule };
  const bytes = Buffer.from(`${JSON.stringify(about, null, 2)}\n`);
  const open = async function* () {
    yield bytes;
  };
  return {
    kind: 'file',
    meta: virtualMeta('backup.json', 'file', noTime, bytes.length),
    content: { kind: 'stream', chunking: { kind: 'content' }, open },
  };
}
