// What a plan protects, by names that stay the same: a resource belongs to one vault only, however many plans read it.
import type { CommandWords, SourceSettings } from './plan.ts';
import type { ServerAddress } from './service.ts';

const ports = { mysql: 3306, postgres: 5432, redis: 6379 } as const;

/** `disk /dev/vdb`, `server`, `files /etc,/root`, `mysql localhost:3306`, `bucket https://s3.example.org/dbs/prefix`, `command pg_dump x` … */
export function resourcesOf(source: SourceSettings): readonly string[] {
  switch (source.kind) {
    case 'disk':
      return [...new Set(source.paths)].sort().map((path) => `disk ${path}`);
    case 'server':
      return ['server'];
    case 'files':
      return [`files ${[...new Set(source.paths)].sort().join(',')}`];
    case 'command':
      return [`command ${wordsOf(source)}`];
    case 'bucket': {
      const { endpoint, bucket, prefix } = source.place;
      return [`bucket ${[endpoint.replace(/\/+$/, ''), bucket, prefix].filter((part) => part !== '').join('/')}`];
    }
    default:
      return [`${source.kind} ${doorOf(source.server, ports[source.kind])}`];
  }
}

/** Where nothing is said an engine is asked on this host, by its socket or its port: that is one server, not two. */
function doorOf({ socket, host, port }: ServerAddress, usual: number): string {
  if (socket !== undefined) return socket;
  return `${host?.toLowerCase() ?? 'localhost'}:${port ?? usual}`;
}

function wordsOf({ named, argv, shell }: CommandWords): string {
  return named !== undefined ? `named ${named}` : argv ? JSON.stringify(argv) : (shell ?? '');
}
