// What rdprovider is asked on its socket (AGENT_RUN/provider.sock), and what it answers: JSON, one object a line.

/** What a process may do: as rdadmin; as rdadmin with the right to read everything (CAP_DAC_READ_SEARCH); as root. */
export type Rights = 'own' | 'read' | 'root';

export const allRights: readonly Rights[] = ['own', 'read', 'root'];

/** What rdprovider starts: rdtask, rdtask images, rdtask hooks, rdfreeze, rdfreeze rescue. */
export type Verb = 'task' | 'images' | 'hooks' | 'freeze' | 'rescue';

export const allVerbs: readonly Verb[] = ['task', 'images', 'hooks', 'freeze', 'rescue'];

export interface StartOrder {
  readonly verb: Verb;
  /** Of a task; the others are root's. */
  readonly rights: Rights;
  /** 0 to 19. */
  readonly niceness: number;
  /** Whether its standard output is wanted. */
  readonly output: boolean;
}

/** Each a connection of its own, which the process gets as a descriptor. */
export type Channel = 'orders' | 'events' | 'output' | 'text';

/** The first line of a connection. */
export type ProviderOrder = { readonly verb: 'hello' } | StartOrder | { readonly channel: Channel; readonly ticket: string };

/** Further lines of a connection that began with a StartOrder. Only these signals are passed on. */
export interface ProviderSignal {
  readonly signal: 'SIGTERM' | 'SIGKILL';
  readonly whom: 'process' | 'group';
}

export type ProviderAnswer =
  | { readonly ok: false; readonly detail: string }
  /** To `hello`. */
  | { readonly ok: true; readonly version: string }
  /** To a StartOrder: what each of its channels begins with. */
  | { readonly ok: true; readonly ticket: string }
  | { readonly event: 'started'; readonly pid: number }
  /** `detail`: `exit code 0`, `signal SIGKILL`, or why it could not be started. Last. */
  | { readonly event: 'ended'; readonly detail: string };

/** The channels of a process: 0 is never one. */
export const channelsOf = ({ verb, output }: StartOrder): readonly Channel[] => [
  ...(verb === 'rescue' ? [] : (['orders', 'events'] as const)),
  ...(output ? (['output'] as const) : []),
  'text',
];

/** Of the socket, in AGENT_RUN. */
export const providerSocket = 'provider.sock';
