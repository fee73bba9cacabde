// The worker threads of one run over the open vault.
import type { PaceSettings } from '../base/pace.ts';
import type { FinishedPack, WorkerSettings } from './jobs.ts';
import type { OpenState } from './vault-state.ts';
import { type WorkerPool, workerPool } from './worker-pool.ts';

/** Packs that may wait for their upload: with 16 MiB packs some 50 MB, whatever the pool's speed. */
const packsInFlight = 2;

export function createCredits(): SharedArrayBuffer {
  const credits = new SharedArrayBuffer(8);
  new Int32Array(credits)[0] = packsInFlight;
  return credits;
}

/** `pace`: how fast they may read; as fast as they can if left out. */
export function startWorkers(
  state: OpenState,
  credits: SharedArrayBuffer,
  onPack: (pack: FinishedPack) => void,
  pace?: PaceSettings,
): WorkerPool {
  const settings: WorkerSettings = {
    key: state.master,
    polynomial: state.config.polynomial,
    index: state.index.shared,
    credits,
    packSize: state.options.packSize,
    compression: state.options.compression,
    version: state.config.version,
    pace,
  };
  return workerPool(settings, state.options.workers, onPack);
}
