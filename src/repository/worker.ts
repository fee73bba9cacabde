// A worker thread: the heavy half of save and load. One job at a time, all of it synchronous.
import { hash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { asStillpointError, failure } from '../base/errors.ts';
import { createPace } from '../base/pace.ts';
import { blobIndex } from './blob-index.ts';
import { contentChunker } from './chunker.ts';
import { cipherOf } from './crypto.ts';
import { fillFiles } from './fill.ts';
import type { Added, BlobToLoad, DamagedBlob, FromWorker, Job, JobResults, ToWorker, WorkerSettings } from './jobs.ts';
import { packer } from './packer.ts';
import { readItems } from './read.ts';
import { openBlob, peekBlob } from './unpack.ts';

const port = parentPort!;
const raw = workerData as WorkerSettings;
// Buffers arrive as plain Uint8Arrays.
const key = { encrypt: Buffer.from(raw.key.encrypt), macK: Buffer.from(raw.key.macK), macR: Buffer.from(raw.key.macR) };
const cipher = cipherOf(key);
const index = blobIndex(raw.index);
const credits = new Int32Array(raw.credits);
const send = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
const packs = packer(raw, index, cipher, (pack) => send(pack, [pack.bytes]));
const chunker = contentChunker(raw.polynomial);

const pace = raw.pace && createPace(raw.pace);

const none = (): Added => ({ blobs: 0, bytes: 0, packed: 0 });

const stopIfTold = () => {
  if (Atomics.load(credits, 1) !== 0) throw failure('TASK_CANCELLED');
};

const handlers: { [T in Job['type']]: (work: Extract<Job, { type: T }>) => JobResults[T] } = {
  read: (work) =>
    readItems(work.items, {
      chunker,
      store: (plain, added, id) => packs.store(plain, 'data', work.mark, added, id),
      check: stopIfTold,
      pace,
    }),
  store: (work) => {
    const added = none();
    const ids = work.blobs.map((blob) => packs.store(blob, work.blobType, work.mark, added));
    for (const { buffer } of work.blobs) (buffer as ArrayBuffer).transfer(0); // they came to us alone: their memory goes back now
    return { ids, added };
  },
  adopt: (work) => {
    const added = none();
    for (const { id, parts, plainLength } of work.envelopes) packs.adopt(id, parts, plainLength, work.blobType, added);
    return { added };
  },
  repack: (work) => {
    const added = none();
    const damaged = eachDamaged(work.bytes, work.blobs, (blob, plain) => {
      const envelope = work.bytes.subarray(blob.offset, blob.offset + blob.length);
      if (blob.type === 'tree' && blob.plainLength === 0) packs.store(plain, 'tree', false, added);
      else packs.adopt(blob.id, [envelope], blob.plainLength, blob.type, added);
    });
    return { added, damaged };
  },
  flush: () => {
    packs.flush();
    return {};
  },
  open: (work) => ({ plain: work.blobs.map((blob) => openBlob(cipher, work.bytes, blob)) }),
  fill: (work) => fillFiles(work.files, work.blobs, (blob) => peekBlob(cipher, work.bytes, blob)),
  verify: (work) => ({ damaged: eachDamaged(work.bytes, work.blobs, () => undefined), packHash: hash('sha256', work.bytes, 'hex') }),
};

/** Opens every blob and hands over the sound ones; gives the others with what is wrong with them. */
function eachDamaged(bytes: Uint8Array, blobs: readonly BlobToLoad[], take: (blob: BlobToLoad, plain: Buffer) => void): DamagedBlob[] {
  return blobs.flatMap((blob, number) => {
    let plain: Buffer;
    try {
      plain = openBlob(cipher, bytes, blob);
    } catch (error) {
      return [{ number, detail: asStillpointError(error).message }];
    }
    take(blob, plain);
    return [];
  });
}

port.on('message', (message: ToWorker) => {
  try {
    stopIfTold();
    const handler = handlers[message.work.type] as (work: Job) => JobResults[keyof JobResults];
    send({ type: 'result', job: message.job, result: handler(message.work) });
  } catch (error) {
    send({ type: 'error', job: message.job, problem: asStillpointError(error).toProblem() });
  }
});
