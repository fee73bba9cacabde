// What tasks that died left is removed without waiting for the next one: their images by a process of its own, for it takes root and native
// code.
import { readdirSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import type { Logger } from '../base/log.ts';
import type { Start } from '../host/starter.ts';
import type { ImageEvent, ImageOrder } from '../model/images.ts';
import { sweepScratch } from './scratch.ts';

export interface SweepPlaces {
  /** Where tasks say that they live. */
  readonly tasks: string;
  /** AGENT_HOME/tmp. */
  readonly tmp: string;
}

/** Never rejects. */
export async function sweepAfterDeath({ tasks, tmp }: SweepPlaces, start: Start, log: Logger): Promise<void> {
  for (const folder of [tmp, systemTmp]) tidyScratch(folder, log);
  if (!mayBeLeft(tasks)) return;
  const child = start({ verb: 'images', rights: 'root', niceness: 0, output: false });
  child.text.resume();
  child.orders.end(`${JSON.stringify({ ask: 'sweep' } satisfies ImageOrder)}\n`);
  try {
    for await (const line of linesOf(child.events)) {
      const event = JSON.parse(line) as ImageEvent;
      if (event.type === 'warning') log.warn(event.warning, 'an image that a dead task left could not be removed yet');
    }
  } catch {
    // A line cut off by its death, which is told below.
  }
  const end = await child.ended;
  if (end !== 'exit code 0') log.warn({ end }, 'images that dead tasks left could not be looked for');
}

/** Where tasks with more rights than rdagent's own have theirs. */
const systemTmp = '/tmp';

function tidyScratch(folder: string, log: Logger): void {
  try {
    sweepScratch(folder);
  } catch (error) {
    log.warn({ folder, detail: String(error) }, 'what dead tasks left could not be removed');
  }
}

/** Where rdprovider is, that folder is root's, and nobody else knows. */
function mayBeLeft(tasks: string): boolean {
  try {
    return readdirSync(tasks).length > 0;
  } catch (error) {
    return errnoOf(error) !== 'ENOENT';
  }
}
