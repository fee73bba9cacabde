// Processes that write to files for as long as they live, as no database does: they know nothing of backups.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export interface TestWriter {
  readonly pid: number;
  /** As its users see it: true once it is stopped, false once it has written. */
  isStill(): Promise<boolean>;
  /** Resolves when it has written since. */
  writes(): Promise<void>;
  kill(): Promise<void>;
}

/** Writes the next number to each of the files, again and again; they stay open. A few hundred times a second, so that others get their turn. */
const counting = `
exec {wait}<> <(:)
fds=()
for file; do exec {fd}>>"$file"; fds+=("$fd"); done
for ((n = 1; ; n++)); do
  for fd in "\${fds[@]}"; do echo "$n" >&"$fd"; done
  read -rt 0.002 -u "$wait"
done
`;

/** `before`: a program with arguments that starts it in its turn (\`unshare -m\`). */
export async function countingWriter(files: readonly string[], before: readonly string[] = []): Promise<TestWriter> {
  const [program = '', ...args] = [...before, 'bash', '-c', counting, 'counting-writer', ...files];
  return testWriter(spawn(program, args, { stdio: 'ignore' }), files[0]!);
}

/** `file` has to grow by it. */
export async function testWriter(child: ChildProcess, file: string): Promise<TestWriter> {
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const size = () => sizeOf(file);
  const writer: TestWriter = {
    pid: child.pid ?? 0,
    async isStill() {
      for (const before = size(); ; await pause(5)) {
        if (stateOf(child.pid!) === 'T') return true;
        if (size() > before) return false;
      }
    },
    async writes() {
      for (const before = size(); size() <= before; ) await pause(5);
    },
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  void gone.then(() => process.removeListener('exit', killNow));
  await writer.writes();
  return writer;
}

function sizeOf(file: string): number {
  try {
    const fd = openSync(file, 'r');
    const { size } = fstatSync(fd);
    closeSync(fd);
    return size;
  } catch {
    return 0;
  }
}

/** `T` while it is stopped; undefined for none. */
export function stateOf(pid: number): string | undefined {
  try {
    return /^State:\s*(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  } catch {
    return undefined;
  }
}

/** The last number that is whole. */
export const lastCount = (file: string): number => Number(readFileSync(file, 'latin1').split('\n').at(-2) ?? 0);
