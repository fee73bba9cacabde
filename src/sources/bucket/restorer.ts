// The objects of a backup into a bucket that is there: the one they came from, or another.
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { asStillpointError, fail } from '../../base/errors.ts';
import { gate } from '../../base/lane.ts';
import type { RestoreCounts } from '../../model/restore.ts';
import type { BucketTarget } from '../../model/service.ts';
import type { RestoreRun, Restorer } from '../../ports/restorer.ts';
import type { ServiceContext } from '../../ports/service.ts';
import { type BackedUp, markerKey, needIncluded, objectsIn, objectsTree } from './backed-up.ts';
import { decide } from './decision.ts';
import { type BucketDoor, concernsAll, type DoorDeps, openBucket, printable } from './door.ts';
import { putObject, weightOf } from './put.ts';

/** Objects on their way at a time, and bytes of them in memory. */
const width = 8;
const inMemory = 96 << 20;

/** The bucket is not made. Throws BUCKET_FAILED, NOT_IN_BACKUP, TARGET_PATH_UNKNOWN, TARGET_FAILED. `deps`: for tests. */
export async function bucketRestorer(target: BucketTarget, context: ServiceContext, deps: DoorDeps = {}): Promise<Restorer> {
  const { include, overwrite } = target;
  const openFor = async (run: RestoreRun) => {
    const tree = await objectsTree(run);
    await needIncluded(run, tree, include);
    const door = await openBucket(target.place, target.credentials, AbortSignal.any([context.signal, run.signal]), {
      localAddress: context.localAddress,
      ...deps,
    });
    return { door, objects: objectsIn(run, tree, include) };
  };
  return {
    async *plan(run) {
      const { door, objects } = await openFor(run);
      try {
        for await (const object of objects) {
          const action = await decide(door, object, overwrite, run.reader);
          yield { action, path: object.key, bytes: object.size };
        }
      } finally {
        door.close();
      }
    },
    async run(run) {
      const { door, objects } = await openFor(run);
      try {
        await mark(door, run);
        const counts = await restoreAll(door, run, objects, overwrite);
        await unmark(door, run);
        return counts;
      } finally {
        door.close();
      }
    },
  };
}

async function restoreAll(
  door: BucketDoor,
  run: RestoreRun,
  objects: AsyncIterable<BackedUp>,
  overwrite: BucketTarget['overwrite'],
): Promise<RestoreCounts> {
  const counts: RestoreCounts = { files: 0, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: 0, bytesTotal: 0 };
  const turns = gate(width);
  const memory = gate(inMemory);
  const underWay = new Set<Promise<void>>();
  let fatal: unknown;
  let failures = 0;
  let done = 0;

  const bring = async (object: BackedUp): Promise<void> => {
    try {
      const decision = await decide(door, object, overwrite, run.reader);
      if (decision === 'keep') counts.skipped++;
      else {
        await putObject(door, object, run.reader);
        counts.files++;
        counts.bytesWritten += object.size;
      }
      run.onFile(++done, printable(object.key));
    } catch (error) {
      if (door.signal.aborted || concernsAll(error)) fatal ??= error;
      else {
        failures++;
        run.warn({ item: printable(object.key), detail: asStillpointError(error).message });
      }
    }
  };

  try {
    for await (const object of objects) {
      const weight = weightOf(object);
      await turns.enter(1);
      await memory.enter(weight);
      if (fatal !== undefined) break;
      run.signal.throwIfAborted();
      counts.bytesTotal += object.size;
      const one = bring(object).finally(() => {
        turns.leave(1);
        memory.leave(weight);
        underWay.delete(one);
      });
      underWay.add(one);
    }
  } finally {
    await Promise.all(underWay);
  }
  run.signal.throwIfAborted();
  if (fatal !== undefined) throw fatal;
  if (failures > 0)
    fail('TARGET_FAILED', { path: door.location, detail: `${failures} of ${failures + done} objects failed, see the warnings` });
  return counts;
}

/** An object that says the bucket is not whole yet. */
async function mark(door: BucketDoor, { backup }: RestoreRun): Promise<void> {
  const Key = door.prefix + markerKey;
  const Body = `${JSON.stringify({ record: backup.record })}\n`;
  await door.ask({ operation: 'write', right: 's3:PutObject', key: Key }, (client, options) => {
    return client.send(new PutObjectCommand({ Bucket: door.bucket, Key, Body }), options);
  });
}

async function unmark(door: BucketDoor, { warn }: RestoreRun): Promise<void> {
  const Key = door.prefix + markerKey;
  try {
    await door.ask({ operation: 'delete', right: 's3:DeleteObject', key: Key }, (client, options) => {
      return client.send(new DeleteObjectCommand({ Bucket: door.bucket, Key }), options);
    });
  } catch (error) {
    warn({ item: Key, detail: `everything is restored, but the mark that it is not stays: ${asStillpointError(error).message}` });
  }
}
