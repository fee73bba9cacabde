// What the adapters of databases and buckets are given.
import type { LogMark } from '../model/service.ts';
import type { Warn } from './source.ts';

export interface ServiceContext {
  readonly warn: Warn;
  readonly signal: AbortSignal;
  /** Makes a directory of the task's own, 0700, removed with it: for sockets, pipes and files of credentials, never for data. */
  readonly scratch: () => string;
  /** The address of this host that connections to buckets leave from; as its routes say if left out. */
  readonly localAddress?: string | undefined;
}

export interface ServiceSourceContext extends ServiceContext {
  /** Of a backup of a log: where the last one ended. */
  readonly since?: LogMark | undefined;
}
