// A pool is where bytes go: a directory or a bucket.

export interface LocalPlace {
  readonly type: 'local';
  /** Absolute path of the directory. */
  readonly path: string;
}

export interface S3Place {
  readonly type: 's3';
  /** Address with scheme, e.g. https://s3.example.org:9000. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Key prefix without leading or trailing slash; may be empty. */
  readonly prefix: string;
  readonly region: string;
  readonly addressing: 'path' | 'virtual-host';
  /** PEM text of certificates to trust besides the system's; empty for none. */
  readonly caPem: string;
}

export type Place = LocalPlace | S3Place;

/** S3 keys; a local directory needs none. Never printed, never logged. */
export interface Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string;
}

/** All that a task needs to reach a pool. */
export interface PoolAccess {
  /** The id that the pool's marker carries; none where nobody knows it yet (attach, recover): then the marker is not asked for. */
  readonly id?: string;
  readonly place: Place;
  readonly credentials?: Credentials;
  /** Bytes a second for what goes out and comes in; 0 for no limit. May change while a task runs. */
  readonly bandwidth: number;
  /** The address of this host (IPv4 or IPv6) that connections leave from; as the host's routes say if left out. */
  readonly localAddress?: string;
  /** A bucket that is made is made with Object Lock, and one that is there must have it. */
  readonly objectLock?: boolean;
}
