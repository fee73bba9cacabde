// What agentcli needs to find the agent and to be let in.
import { readFileSync } from 'node:fs';
import { errnoOf, failure } from '../base/errors.ts';
import { certificateFiles } from './certificate-files.ts';
import type { Layout } from './layout.ts';

/** The file that a running agent leaves for agentcli. */
export interface RunFile {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
  /** ms since the epoch. */
  readonly startedAt: number;
}

export interface AgentConnection {
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export function readRunFile(layout: Layout): RunFile | undefined {
  try {
    return JSON.parse(readFileSync(layout.runFile, 'utf8')) as RunFile;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Throws AGENT_UNREACHABLE if no agent runs on this home or its client certificate may not be read. */
export function readConnection(layout: Layout): AgentConnection {
  const run = readRunFile(layout);
  if (!run) throw failure('AGENT_UNREACHABLE', { address: `any port: none runs with AGENT_HOME=${layout.home}` });
  const files = certificateFiles(layout.certificates);
  try {
    const read = (path: string) => readFileSync(path, 'utf8');
    return { host: run.host, port: run.port, ca: read(files.ca.cert), cert: read(files.client.cert), key: read(files.client.key) };
  } catch (error) {
    throw failure('AGENT_UNREACHABLE', { address: `${run.host}:${run.port}` }, { cause: error });
  }
}
