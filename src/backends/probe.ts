// What the credentials may do, found by doing it: an object is put, found, read, read in part and deleted again.
import { randomBytes } from 'node:crypto';
import { isCode } from '../base/errors.ts';
import type { ProbeStep } from '../ports/backend.ts';
import { probeName } from './marker.ts';

/** The five rights, on the pool's root. `list` gives the names that begin with the one asked for. */
export interface ProbeDoor {
  put(name: string, bytes: Uint8Array): Promise<void>;
  get(name: string): Promise<Uint8Array>;
  range(name: string, offset: number, length: number): Promise<Uint8Array>;
  list(name: string): Promise<readonly string[]>;
  remove(name: string): Promise<void>;
}

/**
 * Tries the rights in order. A refused right is a step that is not ok; trouble with the pool as a whole (Transient, wrong credentials, no such
 * bucket) is thrown. Reading is not tried where nothing could be put; deleting always is, so that nothing stays behind.
 */
export async function tryRights(door: ProbeDoor): Promise<ProbeStep[]> {
  const name = probeName();
  const bytes = randomBytes(4096);
  const steps: ProbeStep[] = [];
  const attempt = async (right: ProbeStep['right'], act: () => Promise<string | undefined>) => {
    try {
      const detail = await act();
      steps.push(detail === undefined ? { right, ok: true } : { right, ok: false, detail });
      return detail === undefined;
    } catch (error) {
      if (!isCode(error, 'POOL_NO_RIGHT', 'BACKEND_FAILED', 'BACKEND_NOT_FOUND', 'BACKEND_SHORT', 'POOL_FULL')) throw error;
      const cause = (error as Error).cause;
      steps.push({ right, ok: false, detail: cause instanceof Error ? cause.message : (error as Error).message });
      return false;
    }
  };

  let put = false;
  let tidy = false;
  try {
    put = await attempt('put', async () => void (await door.put(name, bytes)));
    await attempt('list', async () => {
      const names = await door.list(name);
      return put && !names.includes(name) ? 'the object that was just put is not listed' : undefined;
    });
    if (put) {
      await attempt('get', async () => (bytes.equals(await door.get(name)) ? undefined : 'other bytes came back than were put'));
      await attempt('range', async () =>
        bytes.subarray(1000, 1100).equals(await door.range(name, 1000, 100)) ? undefined : 'other bytes came back than were asked for',
      );
    }
    tidy = true;
    await attempt('delete', async () => {
      await door.remove(name);
      if (!put) return undefined;
      return (await door.list(name).catch((): readonly string[] => [])).includes(name) ? 'the object is still there' : undefined;
    });
    return steps;
  } finally {
    if (!tidy) await door.remove(name).catch(() => undefined);
  }
}
