// The processes that rdmonitor keeps running, as data: one more is one more entry.
import { join } from 'node:path';
import type { Layout } from '../config/layout.ts';
import { askAgent, askProvider } from './check.ts';

export interface Service {
  readonly name: string;
  /** Program and words; must become the process itself, not start it. */
  readonly command: readonly string[];
  /** On top of what it gets of rdmonitor's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Files that say, while they are there, that it was stopped on purpose. */
  readonly stoppedBy: readonly string[];
  /** A real request; rejects unless process `pid` answers as it should. */
  ask(pid: number, signal: AbortSignal): Promise<void>;
}

export interface Commands {
  readonly provider: readonly string[];
  readonly agent: readonly string[];
  readonly agentEnv: Readonly<Record<string, string>>;
}

/** In the order of their start. Each stops after those that come later. */
export function servicesOf(layout: Layout, { provider, agent, agentEnv }: Commands): readonly Service[] {
  const { home, run, agentRun } = layout;
  const places = { AGENT_HOME: home, AGENT_RUN: run };
  // Root says it for all; rdagent's own user, who may not write there, for rdagent.
  const [byRoot, byAgent] = [join(run, 'stopped'), join(agentRun, 'stopped')];
  return [
    {
      name: 'rdprovider',
      command: provider,
      env: places,
      stoppedBy: [byRoot],
      ask: (_, signal) => askProvider(layout, signal),
    },
    {
      name: 'rdagent',
      command: agent,
      // That there is a rdprovider.
      env: { ...places, ...agentEnv, AGENT_PROVIDER: '1' },
      stoppedBy: [byRoot, byAgent],
      ask: (pid, signal) => askAgent(layout, pid, signal),
    },
  ];
}
