// Starting the programs that make and remove images: argument lists as they are, never a shell.
import { spawn } from 'node:child_process';

/** Gives standard output. Rejects with what the program said on standard error; with `code` ENOENT where there is no such program. */
export type Run = (program: string, args: readonly string[]) => Promise<string>;

/** Bytes of standard output. */
const most = 64 << 20;

/** Programs of the system only, in English, without anything of the caller's environment. */
const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', LVM_SUPPRESS_FD_WARNINGS: '1' };

/** `limit`: ms. A program that hangs in the kernel (over a frozen file system) answers no signal, so the limit is kept without it. */
export const runWithin =
  (limit: number): Run =>
  (program, args) =>
    new Promise((resolve, reject) => {
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: environment, cwd: '/' });
      const out: Buffer[] = [];
      let said = '';
      let size = 0;
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        child.stdout.destroy();
        child.stderr.destroy();
        child.unref();
        reject(new Error(`${program} did not end within ${limit / 1000} s`));
      }, limit);
      child.stdout.on('data', (piece: Buffer) => {
        size += piece.length;
        if (size > most) child.kill('SIGKILL');
        else out.push(piece);
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-2000);
      });
      child.on('error', (error) => {
        clearTimeout(timer);
        reject(error);
      });
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        if (code === 0) resolve(Buffer.concat(out).toString());
        else reject(new Error(`${program}: ${oneLine(said) || `ended with ${signal ?? code}`}`));
      });
    });

const oneLine = (text: string): string =>
  text
    .trim()
    .replace(/\s*\n\s*/g, '; ')
    .replace(/\p{C}/gu, '\ufffd');

export const runProgram: Run = runWithin(60_000);
