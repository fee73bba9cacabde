// rdtask images: takes the images that a task with few rights reads, as root, and removes them when that task ends. model/images.ts has the
// protocol. Nothing that it is told is believed further than the paths to image and the task's name.
import { realpathSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { asStillpointError, fail } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import type { ImageEvent, ImageOrder, ImageRequest } from '../model/images.ts';
import type { Places } from '../model/place.ts';
import type { Snapshot } from '../ports/snapshot.ts';
import type { ImagePlan, Images } from './images.ts';

const idPattern = /^[A-Za-z0-9][A-Za-z0-9-]{0,47}$/;
const mostPaths = 1000;

/** Resolves with the exit code at the end of its orders. */
export async function serveImages(images: Images): Promise<number> {
  const orders = new Socket({ fd: 3, readable: true, writable: false });
  const events = new Socket({ fd: 4, readable: false, writable: true });
  events.on('error', () => undefined); // the end of the orders comes with it
  const say = (event: ImageEvent) => void events.write(`${JSON.stringify(event)}\n`);
  let plan: ImagePlan | undefined;
  let snapshot: Snapshot | undefined;

  const taken = () => snapshot ?? fail('USAGE', { detail: 'no image has been taken' });
  async function obey(order: ImageOrder): Promise<ImageEvent> {
    const warn = (warning: Extract<ImageEvent, { type: 'warning' }>['warning']) => say({ type: 'warning', warning });
    if (order.ask === 'sweep') await images.sweep(warn);
    else if (order.ask === 'writers') return { type: 'writers', writers: await images.writers(checkedPaths(order.paths)) };
    else if (order.ask === 'choose') {
      const choice = await images.choose(checked(order.request), warn);
      if ('none' in choice) return { type: 'none', problem: choice.none };
      plan = choice.plan;
      const { provider, freezes, volumes, apart } = plan;
      return { type: 'plan', plan: { provider, freezes, volumes, ...(apart !== undefined && { apart }) } };
    } else if (order.ask === 'take') {
      if (snapshot) fail('USAGE', { detail: 'an image has been taken already' });
      snapshot = await (plan ?? fail('USAGE', { detail: 'nothing has been chosen' })).take();
    } else if (order.ask === 'open') {
      const apart = await taken().open(warn);
      return { type: 'opened', ...(apart !== undefined && { apart }), places: visible(taken().places) };
    } else if (order.ask === 'intact') await taken().intact();
    else if (order.ask === 'remove') await taken().remove();
    else fail('USAGE', { detail: 'that is no order' });
    return { type: 'done' };
  }

  try {
    for await (const line of linesOf(orders))
      say(
        await obey(JSON.parse(line) as ImageOrder).catch((error: unknown) => ({
          type: 'problem',
          problem: asStillpointError(error).toProblem(),
        })),
      );
  } finally {
    // However the task ended. What cannot be removed now, the next task removes.
    await snapshot?.remove().catch((error: unknown) => void process.stderr.write(`${asStillpointError(error).message}\n`));
  }
  return 0;
}

/** What is reached by a descriptor of ours is reached by a path as well, for one that may not look into this process. */
function visible({ planned, images }: Places): Places {
  return { planned, images: images.map(({ top, image }) => ({ top, image: pathOf(image) })) };
}

function pathOf(image: string): string {
  const path = realpathSync(image);
  const [here, there] = [image, path].map((one) => statSync(one, { bigint: true, throwIfNoEntry: false }));
  const same = here && there && here.dev === there.dev && here.ino === there.ino;
  return same ? path : fail('SNAPSHOT_FAILED', { path, detail: 'something else is mounted over it' });
}

/** Throws USAGE. */
function checked({ kind, paths, task }: ImageRequest): ImageRequest {
  if ((kind !== 'files' && kind !== 'disk') || typeof task !== 'string' || !idPattern.test(task))
    fail('USAGE', { detail: 'that is no request' });
  return { kind, paths: checkedPaths(paths), task };
}

/** Throws USAGE. */
function checkedPaths(paths: readonly string[]): readonly string[] {
  const sound = (path: unknown) => typeof path === 'string' && path.startsWith('/') && !path.includes('\0');
  if (Array.isArray(paths) && paths.length > 0 && paths.length <= mostPaths && paths.every(sound)) return paths;
  return fail('USAGE', { detail: 'absolute paths are expected' });
}
