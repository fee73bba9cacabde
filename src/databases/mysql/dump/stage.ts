// The first half of a restore: everything is made and loaded in databases of its own beside the real ones, where nobody sees it.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isCode, type StillpointError } from '../../../base/errors.ts';
import { startProgram } from '../../../base/program.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import type { Server } from '../server.ts';
import type { MysqlSettings } from '../settings.ts';
import { type StoredDatabase, type StoredObject, textOf } from './catalogue.ts';
import type { LongSession } from './long-session.ts';
import { createPrograms, createTriggers, createViews, dropTriggers, runScript } from './programs.ts';
import { quoteName, statementsOf } from './sql.ts';
import { optionFile, type Tool, toolTrouble } from './tool.ts';

export interface Stage {
  readonly session: LongSession;
  readonly server: Server;
  readonly settings: MysqlSettings;
  readonly client: Tool;
  readonly scratch: string;
  readonly run: RestoreRun;
  /** A file was done. */
  readonly done: (file: string) => void;
}

/** Fills the new database `name` with the tables of the backup, and proves that its programs can be made here. */
export async function stageDatabase(stage: Stage, database: StoredDatabase, name: string): Promise<void> {
  const { session, run } = stage;
  await createDatabase(stage, database, name);
  await session.ask(`USE ${quoteName(name)}`);
  for (const kind of ['sequence', 'schema']) {
    for (const object of database.objects) {
      if (object.kind !== kind) continue;
      run.signal.throwIfAborted();
      await runScript(session.ask, await textOf(run.reader, object.node));
      stage.done(`${database.name}/${object.node.name.toString()}`);
    }
  }
  await load(stage, database, name);
  await rehearse(stage, database, name);
}

export async function createDatabase({ session, run }: Stage, { own }: StoredDatabase, name: string): Promise<void> {
  const [statement = ''] = statementsOf(await textOf(run.reader, own));
  await session.ask(statement.replace(/^CREATE DATABASE `(?:[^`]|``)*`/, () => `CREATE DATABASE ${quoteName(name)}`));
}

/** One client for all tables. Throws what it says, with the name of the table. */
async function load(stage: Stage, database: StoredDatabase, name: string): Promise<void> {
  const { client, settings, server, scratch, run } = stage;
  const files = database.objects.filter(({ kind }) => kind === 'data');
  if (files.length === 0) return;
  const file = optionFile(settings, server, [['database', name], ...clientOptions], scratch);
  const program = startProgram([client.name, `--defaults-file=${file.path}`], { package: client.package, input: true });
  const stop = () => void program.kill();
  run.signal.addEventListener('abort', stop);
  let current = '';
  async function* statements(): AsyncGenerator<Buffer> {
    for (const object of files) {
      current = object.name;
      yield* run.reader.stream(object.node.content ?? []);
      stage.done(`${database.name}/${object.node.name.toString()}`);
    }
  }
  try {
    program.child.stdout!.resume(); // it has nothing to say
    await pipeline(Readable.from(statements(), { objectMode: true, highWaterMark: 2 }), program.child.stdin!).catch(
      async (error: unknown) => {
        // Where the client ended first, why it did says more than the broken pipe.
        if ((error as NodeJS.ErrnoException).code === 'EPIPE') await program.ended;
        throw error;
      },
    );
    await program.ended;
  } catch (error) {
    run.signal.throwIfAborted();
    if (!isCode(error, 'TOOL_FAILED')) throw error;
    throw toolTrouble(error as StillpointError, settings, server, `${database.target}.${current}`);
  } finally {
    run.signal.removeEventListener('abort', stop);
    await program.kill();
    file.remove();
  }
}

/** What cannot be made is found out before anything is touched; views on what is in other databases only there. */
async function rehearse({ session, run }: Stage, { objects }: StoredDatabase, name: string): Promise<void> {
  const scripts = async (...kinds: readonly string[]) => scriptsOf(run, objects, kinds);
  await createPrograms(session.ask, name, await scripts('function', 'procedure', 'package', 'package-body'));
  await createViews(session.ask, name, await scripts('view'));
  const triggers = await scripts('triggers');
  await createTriggers(session.ask, name, triggers);
  await dropTriggers(session.ask, name, new Set(triggers.map((one) => one.name)));
}

export interface Script {
  readonly kind: StoredObject['kind'];
  readonly name: string;
  readonly text: string;
}

export async function scriptsOf(
  { reader }: RestoreRun,
  objects: readonly StoredObject[],
  kinds: readonly string[],
): Promise<readonly Script[]> {
  const scripts: Script[] = [];
  for (const kind of kinds)
    for (const object of objects)
      if (object.kind === kind) scripts.push({ kind: object.kind, name: object.name, text: await textOf(reader, object.node) });
  return scripts;
}

const clientOptions = [['batch'], ['binary-mode'], ['default-character-set', 'utf8mb4'], ['max-allowed-packet', 1 << 30]] as const;
