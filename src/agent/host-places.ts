// How whoever freezes or images is reached, for rdagent and for tasks.
import type { Layout } from '../config/layout.ts';
import { starterFor } from '../host/starter.ts';
import type { FreezerSettings } from './freezer.ts';

export const freezerOf = (layout: Layout): FreezerSettings => ({
  start: (verb) => starterFor(layout)({ verb, rights: 'root', niceness: 0, output: false }),
  onText: (text) => void process.stderr.write(text),
});

/** Where tasks that make images say that they live. */
export const livesOf = ({ run }: Layout): string => `${run}/tasks`;
