// The files of a server as its tool sends them: stored as they come, nothing lies on this host's disk in between.
import { setTimeout as pause } from 'node:timers/promises';
import { fail, failure } from '../../../base/errors.ts';
import { type Program, startProgram } from '../../../base/program.ts';
import { systemClock } from '../../../base/system-clock.ts';
import type { LogMark } from '../../../model/service.ts';
import { gathered } from '../../../ports/gathered.ts';
import type { ServiceSourceContext } from '../../../ports/service.ts';
import type { Source, Store } from '../../../ports/source.ts';
import type { MysqlSettings } from '../settings.ts';
import { optionFile } from './access.ts';
import { type CopyFacts, copyFile, isLogInfo, type LogPlace, logPlace } from './copy-facts.ts';
import type { Looked } from './look.ts';
import { chunkingOf } from './page-files.ts';
import { explain, saidDone } from './tool.ts';
import { BrokenStream, readXbstream } from './xbstream.ts';

/** Files that the tool sends side by side. */
const parallel = 2;
/** Milliseconds from the end of a tool's output to its own end. */
const lastMoment = 2000;
/** The same for the same content makes the same tree. */
const time = { seconds: 0, nanos: 0 };

/** Throws, while it gathers, TOOL_FAILED, also when the server went away. A file of which not all came ends it. */
export function copySource(looked: Looked, settings: MysqlSettings, context: ServiceSourceContext): Source {
  const tree = gathered(time);
  let program: Program | undefined;
  let log: LogMark | undefined;
  let closed = false;
  let whole = false;

  const gather = async (store: Store): Promise<void> => {
    const options = optionFile(settings, context.scratch());
    try {
      if (closed) throw new Error('the source was closed');
      program = startProgram(commandLine(looked, options.path, options.folder), {
        package: looked.tool.package,
        explain,
        cwd: options.folder,
      });
      await readXbstream(program.output, async (path, bytes) => {
        const name = path.at(-1)!;
        const seen = isLogInfo(path)
          ? withPlace(bytes, (place) => (log = { ...place, at: systemClock.now(), server: looked.identity }))
          : bytes;
        tree.file(['mysql', 'data', ...path], await store(seen, chunkingOf(name)));
      });
      await program.ended;
      if (!saidDone(program.said()))
        fail('TOOL_FAILED', { tool: looked.tool.name, detail: `it does not say that it is done: ${explain(program.said())}` });
      whole = true;
    } catch (error) {
      throw await whyBroken(error, program, looked.tool.name);
    } finally {
      options.remove();
    }
    tree.file(['mysql', 'backup.json'], copyFile(factsOf(looked, log)));
  };

  return {
    paths: ['/mysql'],
    excludes: [],
    estimate: { bytes: 0, files: 0 },
    gather,
    list: tree.list,
    finish: async () => {
      if (!whole) fail('TOOL_FAILED', { tool: looked.tool.name, detail: 'not all came' });
    },
    tags: () => ({ consistency: 'application', ...(log && { logUntil: log }) }),
    close: async () => {
      closed = true;
      await program?.kill();
    },
  };
}

const commandLine = ({ tool }: Looked, options: string, folder: string): readonly string[] => [
  tool.name,
  `--defaults-file=${options}`,
  '--backup',
  '--stream=xbstream',
  `--target-dir=${folder}`,
  `--tmpdir=${folder}`,
  `--parallel=${parallel}`,
];

const factsOf = ({ server, tool, facts }: Looked, log: LogMark | undefined): CopyFacts => ({
  format: 1,
  method: 'physical',
  ...facts,
  version: server.version,
  tool: tool.name,
  toolVersion: tool.version,
  ...(log && { log: { place: log.place, ...(log.gtid !== undefined && { gtid: log.gtid }), server: log.server } }),
});

/** A tool that ended by itself says more than the stream that it broke off; it needs a moment from its last byte to its end. */
async function whyBroken(error: unknown, program: Program | undefined, tool: string): Promise<unknown> {
  if (!program || !(error instanceof BrokenStream)) {
    await program?.kill();
    return error;
  }
  const told = program.ended.then(
    () => undefined,
    (own: unknown) => own,
  );
  const own = await Promise.race([told, pause(lastMoment, undefined, { ref: false })]);
  await program.kill();
  return own ?? failure('TOOL_FAILED', { tool, detail: `its stream is broken: ${error.message}` }, { cause: error });
}

/** The bytes as they are, and the place in the log that they tell. */
async function* withPlace(bytes: AsyncIterable<Buffer>, tell: (place: LogPlace) => void): AsyncGenerator<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of bytes) {
    parts.push(part);
    yield part;
  }
  tell(logPlace(Buffer.concat(parts).toString('utf8')));
}
