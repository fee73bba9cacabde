// agentcli, and whole blocks of a page of docs, as a person runs them against an agent of a test.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { RunningAgent } from './agent-bench.ts';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export const agentcliScript = fileURLToPath(new URL('../../scripts/agentcli', import.meta.url));

/** Runs a program to its end, in `cwd`, with the agent's home. */
export function runFor(
  agent: RunningAgent,
  cwd: string,
  [program, ...words]: readonly [string, ...string[]],
  { env = {}, input }: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const home = { AGENT_HOME: agent.home, AGENT_RUN: agent.layout.run, TZ: 'UTC' };
    const child = spawn(program, words, { cwd, env: { PATH: process.env['PATH'], ...home, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    const text = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text.out += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      text.err += part;
    });
    child.stdin.end(input ?? '');
    child.on('close', (code) => resolve({ code, ...text }));
  });
}
