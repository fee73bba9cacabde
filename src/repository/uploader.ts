// Finished packs on their way out: upload → place in the index → now and then an index file. An index never names a pack that is not durable.
import { backgroundLane } from '../base/lane.ts';
import { addPack, saveIndexFile } from './index-file.ts';
import type { FinishedPack } from './jobs.ts';
import type { Lock } from './lock.ts';
import type { OpenState } from './vault-state.ts';

export interface Uploader {
  /** Takes a pack; `release` is called once its memory is free. */
  take(pack: FinishedPack, release: () => void): void;
  /** Resolves when every pack taken so far is durable and listed by an index file. Throws the first thing that went wrong. */
  finish(): Promise<void>;
  /** The first thing that went wrong, if any. */
  readonly error: unknown;
  readonly packs: number;
  readonly bytes: number;
}

export function uploader(state: OpenState, lock: Lock, onError: (error: unknown) => void): Uploader {
  const { backend, options, index, packs } = state;
  let unlisted: number[] = [];
  let unlistedBlobs = 0;
  let lastFlush = options.clock.boottime();
  let flushing: Promise<void> = Promise.resolve();
  const totals = { packs: 0, bytes: 0 };
  const lane = backgroundLane(backend.connections, onError);

  const flush = (): Promise<void> => {
    const batch = unlisted;
    unlisted = [];
    unlistedBlobs = 0;
    lastFlush = options.clock.boottime();
    flushing = flushing.then(async () => {
      if (batch.length === 0) return;
      await lock.prove();
      await saveIndexFile(backend, batch, packs, index, state.cipher, state.config.version);
    });
    return flushing;
  };

  const upload = async (pack: FinishedPack, release: () => void) => {
    await lock.fresh();
    await backend.save('data', pack.name, new Uint8Array(pack.bytes, 0, pack.length));
    pack.bytes.transfer(0); // gives its memory back now, not when V8 comes to look
    release();
    const number = addPack(packs, pack.name, pack.entries, '');
    for (const [i, entry] of pack.entries.entries())
      index.place(entry, { pack: number, offset: pack.offsets[i]!, length: pack.lengths[i]!, plainLength: pack.plainLengths[i]! });
    totals.packs++;
    totals.bytes += pack.length;
    unlisted.push(number);
    unlistedBlobs += pack.entries.length;
    if (unlistedBlobs >= options.flushBlobs || options.clock.boottime() - lastFlush >= options.flushEvery) await flush();
  };

  return {
    take: (pack, release) => lane.add(() => upload(pack, release)),
    finish: async () => {
      await lane.idle();
      await flush();
    },
    get error() {
      return lane.error;
    },
    get packs() {
      return totals.packs;
    },
    get bytes() {
      return totals.bytes;
    },
  };
}
