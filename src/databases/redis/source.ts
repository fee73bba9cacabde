// A Redis server as a source: one moment of all it holds, as a new replica would get it.
import { collector } from '../../base/collect.ts';
import { fail } from '../../base/errors.ts';
import type { RedisSource } from '../../model/service.ts';
import { gathered } from '../../ports/gathered.ts';
import type { ServiceSourceContext } from '../../ports/service.ts';
import type { Source, Store, Warn } from '../../ports/source.ts';
import { detailOf } from '../sessions.ts';
import { type About, aboutName, copyName, rootName } from './backup-files.ts';
import { databasesOf, type Info, readInfo } from './facts.ts';
import { explain } from './failures.ts';
import type { RdbEvents } from './rdb.ts';
import { type RdbFacts, rdbProof } from './rdb-proof.ts';
import { backupPurpose, type Copy, type Patience, requestCopy, usualPatience } from './replica.ts';
import { openSession, type Session } from './session.ts';
import { addressText, type RedisAccess, readAccess } from './settings.ts';
import { openWire, type Wire } from './wire.ts';

/** Throws USAGE for an address that cannot be. */
export async function redisSource(
  settings: RedisSource,
  context: ServiceSourceContext,
  patience: Patience = usualPatience,
): Promise<Source> {
  const access = readAccess(settings.server);
  const tree = gathered({ seconds: Math.floor(Date.now() / 1000), nanos: 0 });
  const end = new AbortController();
  const signal = AbortSignal.any([context.signal, end.signal]);
  return {
    paths: [`/${rootName}`],
    excludes: [],
    estimate: { bytes: 0, files: 2 },
    gather: (store) => gather(access, { warn: context.warn, signal, store, tree, patience }),
    list: () => tree.list(),
    finish: async () => undefined,
    tags: () => ({ consistency: 'application' }),
    close: async () => end.abort(),
  };
}

interface Gathering {
  readonly warn: Warn;
  readonly signal: AbortSignal;
  readonly store: Store;
  readonly tree: ReturnType<typeof gathered>;
  readonly patience: Patience;
}

async function gather(access: RedisAccess, { warn, signal, store, tree, patience }: Gathering): Promise<void> {
  /** What the server does wrong is told as such; what the vault does wrong is not its doing. */
  const explained = (error: unknown): never => {
    signal.throwIfAborted();
    throw explain(error, access, backupPurpose.what, backupPurpose.rights);
  };
  const session = await openSession(access, backupPurpose, signal);
  let wire: Wire | undefined;
  try {
    const info = await readInfo(session);
    const databases = await databasesOf(session);
    warnOfParts(info, addressText(access.address), warn);
    wire = await openWire(access, signal).catch(explained);
    const copy = await requestCopy(wire, access, patience, () => progressOf(session)).catch(explained);
    const counts = counted();
    const { stored, facts } = await storeProven(copy, counts.events, store, explained);
    tree.file([rootName, copyName], stored);
    if (facts.unknown !== undefined) {
      warn({ item: copyName, detail: `${facts.unknown}: it can be started as a new instance, but not be restored key by key` });
    }
    const about = aboutOf(info, copy, facts, counts.found, databases);
    const text = Buffer.from(`${JSON.stringify(about, null, 2)}\n`);
    tree.file([rootName, aboutName], await store(oneOf(text), { kind: 'content' }));
  } finally {
    wire?.close();
    session.close();
  }
}

const passed = collector(8 << 20);

/** Rejects, so that there is no backup, unless the copy is whole. */
async function storeProven(copy: Copy, events: RdbEvents, store: Store, explained: (error: unknown) => never) {
  const proof = rdbProof(events);
  let facts: RdbFacts | undefined;
  const proven = async function* () {
    try {
      for await (const piece of copy.bytes) {
        checked(() => proof.push(piece));
        yield piece;
        passed(piece.length);
      }
      facts = checked(() => proof.end());
    } catch (error) {
      explained(error);
    } finally {
      // Nothing that is written from here on is wanted: the server need not gather it.
      copy.leave();
    }
  };
  const stored = await store(proven(), { kind: 'content' });
  return { stored, facts: facts! };
}

function checked<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return fail('DATABASE_FAILED', { database: 'Redis', what: 'send a whole copy', detail: detailOf(error) }, { cause: error });
  }
}

function warnOfParts(info: Info, item: string, warn: Warn): void {
  if (info['cluster_enabled'] === '1') {
    warn({ item, detail: 'it is a node of a cluster: this backup holds its own slots only; every master needs a plan of its own' });
  }
  if (info['role'] === 'slave' && info['master_link_status'] !== 'up') {
    warn({ item, detail: 'it is a replica without a link to its master: what it holds may be old' });
  }
}

/** Something that changes while the server writes its copy; undefined before Redis 6.2, which does not tell. */
async function progressOf(session: Session): Promise<string | undefined> {
  const info = await readInfo(session, 'persistence').catch(() => undefined);
  const { rdb_bgsave_in_progress: busy, current_save_keys_processed: keys, current_cow_size: copied, rdb_saves: saves } = info ?? {};
  return keys === undefined ? undefined : [busy, keys, copied, saves].join(' ');
}

interface Found {
  readonly keys: Record<string, { keys: number; expiring: number }>;
  functions: number;
  modules: boolean;
}

function counted() {
  const found: Found = { keys: {}, functions: 0, modules: false };
  return {
    found,
    events: {
      key: ({ database, type, expiresAt }: { database: number; type: number; expiresAt?: number }) => {
        found.keys[database] ??= { keys: 0, expiring: 0 };
        const counts = found.keys[database];
        counts.keys++;
        if (expiresAt !== undefined) counts.expiring++;
        if (type === moduleType) found.modules = true;
      },
      library: () => {
        found.functions++;
      },
      moduleData: () => {
        found.modules = true;
      },
    },
  };
}

const moduleType = 7;

function aboutOf(info: Info, copy: Copy, facts: RdbFacts, found: Found, databases: number | undefined): About {
  return {
    format: 1,
    method: 'logical',
    version: info['redis_version'] ?? '',
    role: info['role'] ?? '',
    replicationId: copy.replicationId,
    offset: copy.offset,
    diskless: copy.diskless,
    rdb: { version: facts.version, bytes: facts.bytes, checksum: facts.checksum },
    keys: facts.unknown === undefined ? found.keys : null,
    modules: found.modules,
    functions: found.functions,
    databases: databases ?? null,
    maxmemory: info['maxmemory'] ?? '',
    maxmemoryPolicy: info['maxmemory_policy'] ?? '',
    cluster: info['cluster_enabled'] === '1',
  };
}

async function* oneOf(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
