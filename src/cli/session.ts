// What every command gets: the streams, the agent, and a place for its exit code.
import { layoutOf } from '../config/layout.ts';
import type { Client } from '../rpc/client.ts';
import type { RouteName } from '../rpc/routes.ts';
import type { Standalone } from './standalone.ts';
import { openTerminal, type Terminal } from './terminal.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the process gives to the command line. */
export interface Host {
  readonly environment: Environment;
  /** Aborted by the first Ctrl-C (or SIGTERM). */
  readonly interrupted: AbortSignal;
  /** The engine inside this process, for the commands that need no agent. */
  readonly standalone: () => Promise<Standalone>;
}

export interface Session extends Host {
  readonly terminal: Terminal;
  readonly json: boolean;
  /** The connection to the agent; made once. Throws AGENT_UNREACHABLE. */
  agent(): Promise<Client>;
  print(text: string): void;
  printJson(value: unknown): void;
  /** A remark for the person, on the error stream; nothing with --json. */
  remark(text: string): void;
  /** Ends with this code although nothing failed. */
  exitCode: number;
  close(): void;
}

export function openSession(host: Host, json: boolean): Session {
  const terminal = openTerminal(host.environment, json);
  let client: Promise<Client> | undefined;
  let opened: Client | undefined;
  return {
    ...host,
    terminal,
    json,
    exitCode: 0,
    agent() {
      client ??= connect(host).then((made) => {
        opened = made;
        return made;
      });
      return client;
    },
    print(text) {
      terminal.stdout.write(text);
    },
    printJson(value) {
      terminal.stdout.write(`${JSON.stringify(value, null, terminal.stdout.isTTY ? 2 : undefined)}\n`);
    },
    remark(text) {
      if (!json) terminal.stderr.write(text);
    },
    close() {
      opened?.close();
    },
  };
}

/** What they answer is told once: the first Ctrl-C waits for it. */
const toldOnce: ReadonlySet<RouteName> = new Set(['vaultCreate', 'vaultKeyAdd', 'vaultRecoveryKey']);

async function connect({ environment, interrupted }: Host): Promise<Client> {
  const [{ readConnection }, { createClient }] = await Promise.all([import('../config/connection.ts'), import('../rpc/client.ts')]);
  const client = createClient(readConnection(layoutOf(environment)));
  return {
    ...client,
    call: (name, input, options) => client.call(name, input, toldOnce.has(name) ? options : { signal: interrupted, ...options }),
  };
}
