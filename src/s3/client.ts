// The AWS SDK's client, set up for any S3 service: one try a request (ours are the retries), bounded waits, no settings from the environment.
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { getCACertificates } from 'node:tls';
import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { fail } from '../base/errors.ts';
import type { Credentials, S3Place } from '../model/pool.ts';
import type { Network } from '../ports/network.ts';

export interface S3Connection {
  readonly client: S3Client;
  /** The server's clock in its last answer (ms since the epoch), where it tells one. */
  serverTime(): number | undefined;
  /** The server's clock now (ms since the epoch): its last answer's, carried on; before there is one, this host's. */
  now(): number;
  close(): void;
}

const say = () => undefined;
/** The SDK warns on the console otherwise, of requests that it does not repeat for us. */
const silent = { trace: say, debug: say, info: say, warn: say, error: say };

/** Throws POOL_CREDENTIALS without credentials. Opens no connection yet. */
export function connectS3(place: S3Place, credentials: Credentials | undefined, network: Network = {}): S3Connection {
  if (credentials === undefined) fail('POOL_CREDENTIALS', { location: locationOf(place), detail: 'there are none' });
  const sockets = { keepAlive: true, maxSockets: 32, ...addressing(network) };
  const handler = new NodeHttpHandler({
    connectionTimeout: network.connectTimeout ?? 10_000,
    socketTimeout: network.idleTimeout ?? 60_000,
    httpAgent: new http.Agent(sockets),
    httpsAgent: new https.Agent(place.endpoint.startsWith('https:') ? { ...sockets, ca: authorities(place.caPem) } : sockets),
  });
  const client = new S3Client({
    endpoint: place.endpoint,
    region: place.region || 'us-east-1',
    forcePathStyle: place.addressing === 'path',
    credentials: {
      accessKeyId: credentials.accessKey,
      secretAccessKey: credentials.secretKey,
      ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken }),
    },
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    requestHandler: handler,
    // The newer defaults send trailing checksums, which older stores (radosgw 16) answer with 411; Content-MD5 protects each upload.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Waiting for "100 Continue" costs a round trip and a fresh connection a file.
    expectContinueHeader: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    useArnRegion: false,
    disableS3ExpressSessionAuth: true,
    userAgentAppId: 'stillpoint',
    logger: silent,
  });
  let date: string | undefined;
  let answered = 0;
  client.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      date = (answer.response as { headers?: Record<string, string> } | undefined)?.headers?.['date'] ?? date;
      answered = performance.now();
      return answer;
    },
    { step: 'deserialize', priority: 'low', name: 'serverTime' },
  );
  const serverTime = () => {
    const time = Date.parse(date ?? '');
    return Number.isNaN(time) ? undefined : time;
  };
  return {
    client,
    serverTime,
    now() {
      const time = serverTime();
      return time === undefined ? Date.now() : time + (performance.now() - answered);
    },
    close: () => client.destroy(),
  };
}

/** The string that `restic -r` takes for `path` ('' for the root) in the pool. */
export function locationOf(place: S3Place, path = ''): string {
  return `s3:${[place.endpoint.replace(/\/+$/, ''), place.bucket, ...segments(place.prefix), ...segments(path)].join('/')}`;
}

/** The key prefix of `path` in the pool, ending in a slash unless it is empty. */
export function keyPrefix(place: S3Place, path = ''): string {
  return [...segments(place.prefix), ...segments(path)].map((segment) => `${segment}/`).join('');
}

function segments(path: string): readonly string[] {
  return path.split('/').filter((segment) => segment !== '');
}

function addressing(network: Network): http.AgentOptions {
  return {
    // Names are looked up for addresses of the same kind: the other could not be reached from it.
    ...(network.localAddress === undefined ? {} : { localAddress: network.localAddress, family: isIP(network.localAddress) }),
    ...(network.lookup === undefined ? {} : { lookup: network.lookup }),
  };
}

/** What Node trusts, what the system trusts, and the pool's own. */
function authorities(pem: string): string[] {
  const own = pem.trim() === '' ? [] : [pem];
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')]), ...own];
}
