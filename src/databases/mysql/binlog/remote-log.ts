// The server's log as it lies there, event by event, through its own protocol and by its own tool. In raw mode the tool writes files named
// after the server's: each name leads to a pipe of ours, so nothing is staged on a disk.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { fail } from '../../../base/errors.ts';
import { type Program, startProgram } from '../../../base/program.ts';
import type { Place } from './place.ts';
import { explain, type LogTools } from './tools.ts';

/** The first descriptor of the tool that is neither its input nor one of its outputs. */
const pipeThere = '/proc/self/fd/3';
/** The protocol knows no later place to begin at. */
const lastStart = 0xffffffff;

export interface RemoteLog {
  /** One log file from `place` on, or from its beginning where that is too far in; ends at what the server has. Throws TOOL_FAILED, TOOL_MISSING. */
  read(place: Place): AsyncGenerator<Buffer>;
  /** Ends what is under way. */
  close(): Promise<void>;
}

/** `options`: path of the tool's file of options; `folder`: for the pipe. */
export function remoteLog(tools: LogTools, options: string, folder: string): RemoteLog {
  let program: Program | undefined;
  let closed = false;
  const start = (place: Place): Socket => {
    const results = mkdtempSync(join(folder, 'log-'));
    mkdirSync(join(results, 'files'));
    try {
      symlinkSync(pipeThere, join(results, 'files', place.file));
      const pipe = namedPipe(join(results, 'pipe'));
      const from = place.position > lastStart ? 4 : place.position;
      const what = ['--raw', '--read-from-remote-server', '--verify-binlog-checksum', `--start-position=${from}`];
      // The file is there until the tool has its own descriptor of the pipe; we see its end once the tool has ended.
      program = startProgram([tools.log, `--defaults-file=${options}`, ...what, `--result-file=${join(results, 'files')}/`, place.file], {
        package: tools.package,
        explain,
        descriptors: [pipe.write],
      });
      closeSync(pipe.write);
      program.child.stdout?.resume();
      void program.ended.catch(() => undefined).then(() => rmSync(results, { recursive: true, force: true }));
      return new Socket({ fd: pipe.read, readable: true, writable: false });
    } catch (error) {
      rmSync(results, { recursive: true, force: true });
      throw error;
    }
  };
  return {
    async *read(place) {
      if (closed) fail('TASK_CANCELLED');
      const output = start(place);
      try {
        for await (const piece of output) yield piece as Buffer;
        if (closed) fail('TASK_CANCELLED');
        await program!.ended;
      } finally {
        output.destroy();
        await program?.kill();
      }
    },
    close: async () => {
      closed = true;
      await program?.kill();
    },
  };
}

/** Both ends of a pipe that a program can open again by its descriptor, which it could not with those that spawn makes. */
function namedPipe(path: string): { readonly read: number; readonly write: number } {
  execFileSync('mkfifo', ['-m', '600', path], { stdio: 'ignore' });
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return { read, write: openSync(path, constants.O_WRONLY) };
  } catch (error) {
    closeSync(read);
    throw error;
  }
}
