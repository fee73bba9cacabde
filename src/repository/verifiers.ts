// Worker threads that only read.
import type { Gate } from '../base/lane.ts';
import type { OpenState } from './vault-state.ts';
import type { WorkerPool } from './worker-pool.ts';
import { createCredits, startWorkers } from './workers.ts';

/** Worker threads for reading only, stopped when `signal` says so and in the end. */
export async function withVerifiers(state: OpenState, signal: AbortSignal, work: (pool: WorkerPool) => Promise<void>): Promise<void> {
  const pool = startWorkers(state, createCredits(), () => undefined);
  const stop = () => void pool.close();
  signal.addEventListener('abort', stop);
  try {
    await work(pool);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    await pool.close();
  }
}

/** Does `work` while holding `bytes` of the gate. */
export async function within(room: Gate, bytes: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  await room.enter(bytes);
  try {
    signal.throwIfAborted();
    await work();
  } finally {
    room.leave(bytes);
  }
}
