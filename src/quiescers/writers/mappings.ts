// Files that processes have mapped into their memory to write to them: no descriptor needs to be open for that.
//
// A process that hangs in a page fault can make whoever reads its mappings hang as well. So `grep` reads them, which SIGKILL ends, and not the
// freezer, whose limit would hang with it.
import { spawn } from 'node:child_process';

export interface Mapping {
  readonly pid: number;
  /** Of the file system, as mounts have it, for btrfs, too. */
  readonly device: string;
  readonly inode: number;
}

/** Shared, writable mappings of files. Rejects when the signal comes or when it takes longer than `ms`. */
export async function sharedMappings(pids: readonly number[], ms: number, signal: AbortSignal): Promise<readonly Mapping[]> {
  const text = await linesOfMaps(pids, ms, signal);
  return [...text.matchAll(/^\/proc\/(\d+)\/maps:(?:\S+ ){3}([0-9a-f]+):([0-9a-f]+) (\d+)/gm)].map(([, pid, major, minor, inode]) => ({
    pid: Number(pid),
    device: `${Number.parseInt(major!, 16)}:${Number.parseInt(minor!, 16)}`,
    inode: Number(inode),
  }));
}

function linesOfMaps(pids: readonly number[], ms: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const files = pids.map((pid) => `/proc/${pid}/maps`);
    const child = spawn('grep', ['-sHaE', '^[0-9a-f]+-[0-9a-f]+ .w.s ', '/dev/null', ...files], {
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const end = (why: string) => {
      child.kill('SIGKILL');
      child.stdout.destroy();
      reject(new Error(why));
    };
    const late = setTimeout(() => end('the mappings of some process cannot be read: it hangs in the kernel'), ms);
    const stopped = () => end('it was called off');
    signal.addEventListener('abort', stopped, { once: true });
    let text = '';
    child.stdout.setEncoding('latin1').on('data', (part: string) => {
      text += part;
    });
    child.once('error', (error) => end(error.message));
    child.once('close', () => {
      clearTimeout(late);
      signal.removeEventListener('abort', stopped);
      resolve(text);
    });
    if (signal.aborted) stopped();
  });
}
