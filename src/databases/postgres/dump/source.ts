// A PostgreSQL server as statements: one dump a database, from which single tables can be restored, and the roles and tablespaces apart.
// Dumps are not compressed, so that what did not change is stored once.
import { collector } from '../../../base/collect.ts';
import { failure } from '../../../base/errors.ts';
import type { Program } from '../../../base/program.ts';
import type { PostgresSource } from '../../../model/service.ts';
import { gathered } from '../../../ports/gathered.ts';
import type { ServiceSourceContext } from '../../../ports/service.ts';
import type { Source, Store } from '../../../ports/source.ts';
import { type Asker, accessTo, openSession } from '../address.ts';
import type { Access } from '../settings.ts';
import { connectionTo } from '../text.ts';
import { clientFailure, findTool, startClient, type Tool } from '../tools.ts';
import { jsonContent, noTime, root } from '../tree.ts';
import { chooseDatabases, type DatabaseFacts, type DumpFacts, databaseFacts, needReadable, serverFacts } from './facts.ts';

const byContent = { kind: 'content' } as const;

const passed = collector(8 << 20);

/** How long a dump waits for a table that somebody alters: for ever would be a backup that hangs. */
const lockWait = '10min';

const consistency = 'Each database is one moment of its own, which its dump began with; the moments of two databases are not the same.';

export function postgresDumpSource(settings: PostgresSource, context: ServiceSourceContext): Source {
  const tree = gathered(noTime);
  const sessions = new Set<Asker>();
  const programs = new Set<Program>();
  let closed = false;

  const inDatabase = async <T>(access: Access, work: (session: Asker) => Promise<T>): Promise<T> => {
    const session = await openSession(access, context.signal);
    sessions.add(session);
    try {
      return await work(session);
    } finally {
      sessions.delete(session);
      session.close();
    }
  };

  async function* output(tool: Tool, args: readonly string[], access: Access): AsyncGenerator<Buffer> {
    if (closed) throw failure('TASK_CANCELLED');
    const program = startClient(tool, args, access, context);
    programs.add(program);
    try {
      for await (const piece of program.output) {
        passed(piece.length);
        yield piece;
      }
      await program.ended;
    } catch (error) {
      throw clientFailure(error, program.said(), access);
    } finally {
      await program.kill();
      programs.delete(program);
    }
  }

  async function gather(store: Store): Promise<void> {
    const first = accessTo(settings.server);
    const { server, names } = await inDatabase(first, async (session) => ({
      server: await serverFacts(session),
      names: await chooseDatabases(session, settings.databases, first),
    }));
    const dump = await findTool({ name: 'pg_dump', major: server.major, fit: 'newer' });
    const dumpAll = await findTool({ name: 'pg_dumpall', major: server.major, fit: 'newer' });

    const databases: DatabaseFacts[] = [];
    for (const name of names) {
      const facts = await inDatabase({ ...first, database: name }, async (session) => {
        await needReadable(session, name, first);
        return databaseFacts(session, name, server);
      });
      databases.push(facts);
    }
    if (!server.passwords) {
      context.warn({
        item: `${root}/globals.sql`,
        detail: `${first.user} may not read the passwords of the roles: they are not in this backup`,
      });
    }
    const globals = ['--globals-only', ...(server.passwords ? [] : ['--no-role-passwords']), '-l', first.database];
    tree.file(['postgres', 'globals.sql'], await store(output(dumpAll, globals, first), byContent));
    tree.dir(['postgres', 'databases']);
    for (const { name, file } of databases) {
      const args = ['--format=custom', '--compress=0', `--lock-wait-timeout=${lockWait}`, '-d', connectionTo(name)];
      tree.file(['postgres', 'databases', file], await store(output(dump, args, { ...first, database: name }), byContent));
    }
    const { version: serverVersion, superuser, passwords } = server;
    const facts: DumpFacts = {
      format: 1,
      engine: 'postgres',
      method: 'logical',
      serverVersion,
      toolMajor: dump.major,
      superuser,
      passwords,
      consistency,
      databases,
    };
    tree.file(['postgres', 'backup.json'], jsonContent(facts));
  }

  return {
    paths: [root],
    excludes: [],
    estimate: { bytes: 0, files: 0 },
    gather,
    list: () => tree.list(),
    finish: async () => undefined,
    tags: () => ({ consistency: 'application' }),
    close: async () => {
      closed = true;
      for (const session of sessions) session.close();
      await Promise.all([...programs].map((program) => program.kill()));
    },
  };
}
