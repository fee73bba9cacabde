// A command: the alert is its standard input, as JSON; nothing of it is on the command line.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AlarmSink } from '../ports/alarm-sink.ts';
import { patience, refused, saidBack } from './words.ts';

/** Characters of what it said on standard error that are kept. */
const tail = 1000;

/** `words`: the program and its arguments, as root has allowed them. Throws from `tell` unless it ends with 0 within `wait` ms. */
export function commandSink(name: string, words: readonly [string, ...string[]], wait: number = patience): AlarmSink {
  const [program, ...rest] = words;
  return {
    async tell(alert, signal) {
      if (signal.aborted) throw refused(name, 'the agent is stopping');
      const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' };
      const child = spawn(program, rest, { stdio: ['pipe', 'ignore', 'pipe'], detached: true, cwd: '/', env });
      const end = () => {
        try {
          process.kill(-child.pid!, 'SIGKILL');
        } catch {
          // it ended by itself
        }
      };
      const late = AbortSignal.timeout(wait);
      const over = AbortSignal.any([signal, late]);
      over.addEventListener('abort', end, { once: true });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (piece: string) => {
        said = (said + piece).slice(-tail);
      });
      // One that does not read its input is not at fault.
      child.stdin.on('error', () => undefined).end(`${JSON.stringify(alert)}\n`);
      try {
        const [code, killed] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
        if (late.aborted) throw refused(name, `the command did not end within ${wait / 1000} s`);
        const words = saidBack(said.trim().split('\n').at(-1) ?? '');
        if (code !== 0)
          throw refused(name, `the command ${killed ? `was killed by ${killed}` : `ended with ${code}`}${words && `: ${words}`}`);
      } catch (error) {
        const errno = (error as NodeJS.ErrnoException).code;
        throw errno === 'ALARM_SINK' ? error : refused(name, `the command could not be started (${errno})`, error);
      } finally {
        over.removeEventListener('abort', end);
        child.stderr.destroy();
      }
    },
  };
}
