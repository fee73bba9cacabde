// One helper process for each file system: it freezes, waits, and thaws, also when rdfreeze is killed or stands still.
//
// The system call may hang for as long as the disk does, and then nothing ends it, not even SIGKILL. Inside rdfreeze it would take the limit
// of the freeze with it (on the main thread) or keep a killed rdfreeze and its pipes alive (on another). So it is made by a small shell that
// rdfreeze holds by a pipe: the end of that pipe thaws, whether rdfreeze closed it or died, and so does the limit, should rdfreeze stand
// still. A freeze that comes back too late finds the pipe closed and is thawed at once.
//
// How it is known that nobody thawed in between: `rmdir` of a name that is not there changes nothing, but asks for the right to write first
// and sleeps in the kernel until the thaw, whoever thaws. While it sleeps on, the file system has been frozen without a break. (FIFREEZE
// again would tell only that it is frozen now, not that it was all the time; and where it was not, it would freeze it.)
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { linesOf } from '../../base/lines.ts';

/**
 * Descriptor 3 is the root of the file system, $1 the limit in seconds; standard input is the pipe that holds it. The first rmdir only brings
 * the program into memory.
 */
const script = `
trap '' HUP INT QUIT TERM PIPE USR1 USR2 ALRM
fs=/proc/self/fd/3
rmdir /proc/self/stillpoint-absent 2>/dev/null
said=$(fsfreeze --freeze "$fs" 2>&1) || { printf 'failed %s\\n' "$said"; exit 1; }
rmdir "$fs/.stillpoint-absent" >/dev/null 2>&1 &
printf 'frozen %s\\n' "$!"
order=$(timeout -s KILL "$1" cat)
[ "$order" = leave ] && exit 0
until said=$(fsfreeze --unfreeze "$fs" 2>&1); do
  case $said in *'Invalid argument'*) break ;; esac
  printf 'failed %s\\n' "$said"
  sleep 0.2
done
printf 'thawed\\n'
wait
`;

/** Nothing of the agent's own environment, and messages in the language that is looked for here. */
const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

export interface Guard {
  /** What it says, once: that it froze (`pid` of the sleeper), or why it did not. */
  readonly frozen: Promise<{ readonly pid: number } | { readonly failed: string }>;
  /** True once it said that the file system is thawed. False when it ended without. */
  readonly thawed: Promise<boolean>;
  /** Resolves when it is gone. */
  readonly gone: Promise<void>;
  /** The last thing that it could not do. */
  readonly complaint: string;
  /** Closes the pipe. `leave`: without a thaw, for what somebody else has thawed. */
  release(how?: 'thaw' | 'leave'): void;
}

/** `root`: a descriptor of the root directory, the caller's to close. `keepOpen`: another that the helper holds as long as it lives. */
export function startGuard(root: number, limitSeconds: number, keepOpen?: number): Guard {
  const child = spawn('/bin/sh', ['-c', script, 'rdfreeze-guard', limitSeconds.toFixed(2)], {
    cwd: '/',
    env: environment,
    // A session of its own: what kills the agent's process group does not reach it.
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore', root, ...(keepOpen === undefined ? [] : [keepOpen])],
  });
  const frozen = Promise.withResolvers<{ readonly pid: number } | { readonly failed: string }>();
  const thawed = Promise.withResolvers<boolean>();
  const gone = goneOf(child);
  let complaint = '';
  child.stdin?.on('error', () => undefined);

  const hear = (line: string) => {
    const [word = '', ...rest] = line.split(' ');
    const text = rest.join(' ');
    if (word === 'frozen') frozen.resolve({ pid: Number(text) });
    else if (word === 'thawed') thawed.resolve(true);
    else if (word === 'failed') {
      complaint = text;
      frozen.resolve({ failed: text });
    }
  };
  const hearing = (async () => {
    if (child.stdout) for await (const line of linesOf(child.stdout)) hear(line);
  })().catch(() => undefined);
  void gone.then(async (detail) => {
    await hearing;
    frozen.resolve({ failed: `its helper ended (${detail})` });
    thawed.resolve(false);
  });

  return {
    frozen: frozen.promise,
    thawed: thawed.promise,
    gone: gone.then(() => undefined),
    get complaint() {
      return complaint;
    },
    release: (how) => void child.stdin?.end(how === 'leave' ? 'leave' : ''),
  };
}

function goneOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}

/**
 * What is known of the process while it sleeps in the kernel, undefined when it does not: how often it was scheduled. Any wake-up changes
 * that, also where it sleeps again at once, for the disk or for another freeze. proc(5).
 */
export function sleepOf(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    if (!/^Name:\s*rmdir$/m.test(status) || !/^State:\s*D/m.test(status)) return undefined;
    return status.match(/^(non)?voluntary_ctxt_switches:\s*\d+$/gm)?.join(' ');
  } catch {
    return undefined;
  }
}

export function hasEnded(pid: number): boolean {
  try {
    return /^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return true;
  }
}

/** One attempt to thaw from outside, for what a dead helper left. Answers whether it is thawed now, or why not. */
export function thawOnce(path: string | number, limitMs: number): Promise<true | string> {
  const from = typeof path === 'number' ? '/proc/self/fd/3' : path;
  const child = spawn('fsfreeze', ['--unfreeze', from], {
    cwd: '/',
    env: environment,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', ...(typeof path === 'number' ? [path] : [])],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, 500);
  });
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(`no answer within ${limitMs} ms`), limitMs);
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code) => {
      clearTimeout(timer);
      // That is how the kernel says that it was not frozen.
      resolve(code === 0 || said.includes('Invalid argument') ? true : said.trim());
    });
  });
}
