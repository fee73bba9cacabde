// Where everything of an installation lies.
import { chmodSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export interface Layout {
  readonly home: string;
  readonly conf: string;
  readonly data: string;
  readonly log: string;
  readonly tmp: string;
  /** Sockets and what lives as long as the agent runs. Where there is a rdprovider it is root's. */
  readonly run: string;
  /** The part of it that is rdagent's own. */
  readonly agentRun: string;
  readonly installationKey: string;
  readonly settings: string;
  readonly certificates: string;
  readonly database: string;
  readonly agentLog: string;
  readonly taskLog: string;
  /** Tells agentcli the bound address; there while the agent runs. */
  readonly runFile: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** AGENT_HOME, or the place of an installation; AGENT_RUN, or /run/rdagent for root, or run/ below the home. */
export function layoutOf(environment: Environment = process.env, uid: number = process.getuid?.() ?? 1): Layout {
  const home = resolve(environment['AGENT_HOME'] || defaultHome(environment));
  const explicitHome = Boolean(environment['AGENT_HOME']);
  const run = resolve(environment['AGENT_RUN'] || (uid === 0 && !explicitHome ? '/run/rdagent' : join(home, 'run')));
  return {
    home,
    conf: join(home, 'conf'),
    data: join(home, 'data'),
    log: join(home, 'log'),
    tmp: join(home, 'tmp'),
    run,
    agentRun: join(run, 'agent'),
    installationKey: join(home, 'conf', 'installation.key'),
    settings: join(home, 'conf', 'agent.yaml'),
    certificates: join(home, 'conf', 'certs'),
    database: join(home, 'data', 'agent.db'),
    agentLog: join(home, 'log', 'rdagent.log'),
    taskLog: join(home, 'log', 'rdtask.log'),
    runFile: join(run, 'agent', 'rdagent.json'),
  };
}

function defaultHome(environment: Environment): string {
  return process.platform === 'win32' ? join(environment['ProgramData'] ?? homedir(), 'Stillpoint', 'Agent') : '/home/rdadmin/Agent';
}

/** Makes the directories that the agent owns; nobody else may look into them. */
export function makeLayout(layout: Layout): void {
  for (const directory of [
    layout.home,
    layout.conf,
    layout.data,
    layout.log,
    layout.tmp,
    layout.run,
    layout.agentRun,
    layout.certificates,
  ]) {
    const made = mkdirSync(directory, { recursive: true, mode: directory === layout.home ? 0o755 : 0o750 });
    if (made && directory !== layout.home) chmodSync(directory, directory === layout.log ? 0o750 : 0o700);
  }
}
