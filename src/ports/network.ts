/** How bytes leave this host. Milliseconds. */
export interface Network {
  /** Source address (IPv4 or IPv6) of every connection. */
  readonly localAddress?: string;
  /** Resolves host names instead of the system. */
  readonly lookup?: typeof import('node:dns').lookup;
  /** Until a connection must stand; default 10 s. */
  readonly connectTimeout?: number;
  /** Until a connection that carries nothing is given up; default 60 s. */
  readonly idleTimeout?: number;
}
