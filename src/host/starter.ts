// How this process starts the agent's others: through rdprovider where it was told that there is one, else by itself.
import type { StartOrder } from '../model/provider.ts';
import { type Places, programOf, taskProgram } from './programs.ts';
import { type Started, startHere } from './start.ts';
import { startThrough } from './start-through.ts';

export type Start = (order: StartOrder) => Started;

/** `taskScript`: in the place of rdtask, for tests. */
export function starterFor(places: Places, taskScript?: string): Start {
  if (process.env['AGENT_PROVIDER']) return (order) => startThrough(places.run, order);
  return (order) => startHere(order.verb === 'task' ? taskProgram(places, taskScript) : programOf(order.verb, places), order);
}
