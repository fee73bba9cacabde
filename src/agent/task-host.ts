// What a task must know of the host's installation.
import type { Layout } from '../config/layout.ts';
import type { StartHooks } from '../engine/hooks.ts';
import { starterFor } from '../host/starter.ts';
import type { TaskSpec } from '../model/task.ts';
import type { FreezerSettings } from './freezer.ts';
import { hooksThrough } from './hooks-through.ts';
import { freezerOf, livesOf } from './host-places.ts';
import { type Images, imagesHere } from './images.ts';
import { imagesThrough } from './images-through.ts';
import { judged } from './judge.ts';
import { installationMark } from './task-life.ts';

export interface TaskHost {
  /** Absolute paths that no backup reads and no restore deletes: what the agent itself works in. */
  readonly own: readonly string[];
  readonly images: Images;
  readonly freezer: FreezerSettings;
  readonly startHooks: StartHooks;
  /** What is to be run of a task that it is told. Throws NOT_ALLOWED, APPROVAL_NEEDED. */
  readonly judge: (spec: TaskSpec) => TaskSpec;
}

/** What the agent writes while a task runs is left out: a copy of it would be torn, and a restore over it would pull the floor away. */
export function taskHost(layout: Layout): TaskHost {
  const { data, tmp, run } = layout;
  return {
    own: [data, tmp, run],
    images: mayImage() ? imagesOf(layout) : imagesOfRoot(layout),
    freezer: freezerOf(layout),
    startHooks: hooksOf(layout),
    judge: (spec) => judged(spec, layout),
  };
}

/** By this very process. */
export function imagesOf(layout: Layout): Images {
  return imagesHere({ images: `${layout.run}/images`, tasks: livesOf(layout), mark: installationMark(layout.home) });
}

/** Where rdagent is somebody else than root, a task that reads is, too. */
const mayImage = (): boolean => !process.env['AGENT_PROVIDER'] || !process.env['AGENT_USER'] || process.geteuid?.() === 0;

function hooksOf(layout: Layout): StartHooks {
  const start = starterFor(layout);
  return hooksThrough(
    () => start({ verb: 'hooks', rights: 'root', niceness: 0, output: false }),
    (text) => void process.stderr.write(text),
  );
}

function imagesOfRoot(layout: Layout): Images {
  const start = starterFor(layout);
  return imagesThrough(
    () => start({ verb: 'images', rights: 'root', niceness: 0, output: false }),
    (text) => void process.stderr.write(text),
  );
}
