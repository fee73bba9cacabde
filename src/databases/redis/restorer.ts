// Into a running server, without a restart: the whole copy is looked at first, then written key by key.
import { fail } from '../../base/errors.ts';
import type { RedisTarget } from '../../model/service.ts';
import type { RestoreRun, Restorer } from '../../ports/restorer.ts';
import type { ServiceContext } from '../../ports/service.ts';
import { findCopy, type StoredCopy } from './backup-files.ts';
import { rdbVersionOf, readInfo } from './facts.ts';
import { explain } from './failures.ts';
import { feed } from './feed.ts';
import { matcher } from './glob.ts';
import { type Look, lookAt, restorePurpose, type Wanted } from './look.ts';
import { openSession } from './session.ts';
import { type RedisAccess, readAccess } from './settings.ts';
import { openWire } from './wire.ts';

/** Throws USAGE for an address that cannot be. */
export async function redisRestorer(target: RedisTarget, context: ServiceContext): Promise<Restorer> {
  const access = readAccess(target.server);
  const replace = target.existing === 'replace';
  const matches = target.pattern === undefined ? () => true : matcher(target.pattern);
  const wanted = (): Wanted => ({ matches, libraries: target.pattern === undefined, now: Date.now() });

  return {
    async *plan(run) {
      const look = await looked(run, await findCopy(run.backup, run.reader), access, wanted(), replace, context.signal);
      for (const name of look.libraries) yield { action: replace ? 'replace' : 'create', path: `/redis/functions/${name}`, bytes: 0 };
      for (const [database, { keys, bytes, there }] of look.databases) {
        const path = `/redis/${database} (${keys} keys, ${there} of them there already)`;
        yield { action: there > 0 ? 'replace' : 'create', path, bytes };
      }
    },
    run: async (run) => {
      const copy = await findCopy(run.backup, run.reader);
      const all = wanted();
      const look = await looked(run, copy, access, all, replace, context.signal);
      const wire = await openWire(access, context.signal).catch((error: unknown) => {
        context.signal.throwIfAborted();
        throw explain(error, access, restorePurpose.what, restorePurpose.rights);
      });
      try {
        const onPart = (keys: number, database: number) => run.onFile(keys, `database ${database}`);
        const fed = await feed(run.reader.stream(copy.node.content!), wire, access, { look, wanted: all, replace, onPart });
        const { keys, bytes } = fed;
        return {
          files: keys,
          dirs: 0,
          others: look.libraries.size,
          skipped: look.expired,
          deleted: 0,
          bytesWritten: bytes,
          bytesTotal: bytes,
        };
      } catch (error) {
        context.signal.throwIfAborted();
        throw error;
      } finally {
        wire.close();
      }
    },
  };
}

/** What a restore would do. Throws whatever speaks against it; nothing is written. */
async function looked(
  run: RestoreRun,
  { node, about }: StoredCopy,
  access: RedisAccess,
  wanted: Wanted,
  replace: boolean,
  signal: AbortSignal,
): Promise<Look> {
  const session = await openSession(access, restorePurpose, signal);
  try {
    const info = await readInfo(session);
    if (info['role'] === 'slave') {
      fail('DATABASE_FAILED', { database: 'Redis', what: 'take back data', detail: 'it is a replica; restore into its master' });
    }
    const { redis_version: version = '' } = info;
    if (rdbVersionOf(version) < about.rdb.version) {
      const detail = `it is version ${version}, which does not know how newer ones write values`;
      fail('DATABASE_FAILED', { database: 'Redis', what: `take back data of version ${about.version}`, detail });
    }
    const look = await lookAt(run.reader.stream(node.content!), session, wanted);
    if (look.clash && !replace) {
      const { what, others } = look.clash;
      fail('TARGET_EXISTS', { what: others > 0 ? `${what} (and ${others} others)` : what });
    }
    return look;
  } finally {
    session.close();
  }
}
