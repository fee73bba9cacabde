// What a task must know of the host's installation.
import { fileURLToPath } from 'node:url';
import type { Layout } from '../config/layout.ts';
import type { FreezerSettings } from './freezer.ts';
import { installationMark } from './task-life.ts';

export interface TaskHost {
  /** Absolute paths that no backup reads and no restore deletes: what the agent itself works in. */
  readonly own: readonly string[];
  /** A directory of the agent's own for images that have to be mounted. */
  readonly images: string;
  /** Where tasks say that they live. */
  readonly tasks: string;
  /** Of the installation, in the names of its images. */
  readonly mark: string;
  readonly freezer: FreezerSettings;
}

/** What the agent writes while a task runs is left out: a copy of it would be torn, and a restore over it would pull the floor away. */
export function taskHost({ home, data, tmp, run }: Layout): TaskHost {
  const script = fileURLToPath(new URL('../rdfreeze.ts', import.meta.url));
  const lock = process.env['AGENT_FREEZE_LOCK'];
  const env = { PATH: process.env['PATH'] ?? '', AGENT_HOME: home, AGENT_RUN: run, ...(lock && { AGENT_FREEZE_LOCK: lock }) };
  const onText = (text: string) => void process.stderr.write(text);
  return {
    own: [data, tmp, run],
    images: `${run}/images`,
    tasks: `${run}/tasks`,
    mark: installationMark(home),
    freezer: { script, env, onText },
  };
}
