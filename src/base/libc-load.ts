// The C library, loaded on first use (so that this module may be imported where there is none), and the errors of its calls.
// Every thread that imports this gets a binding and scratch memory of its own. Only buffers are passed, never raw pointers.
import { createRequire } from 'node:module';
import { constants } from 'node:os';

/** A file name or path: text, or raw bytes where they may not be UTF-8. */
export type PathBytes = string | Uint8Array;

type Native = (...args: readonly (number | bigint | Uint8Array | null)[]) => number;

interface Binding {
  bind(name: string, result: string, args: readonly string[]): Native;
  errno(): number;
  /** The C string that the pointer at the start of `memory` names. */
  stringAt(memory: Uint8Array): string;
}

let binding: Binding | undefined;

function load(): Binding {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load('libc.so.6');
  return {
    bind: (name, result, args) => library.func(name, result, [...args]) as Native,
    errno: () => koffi.errno(),
    stringAt: (memory) => (koffi.decode(memory, 'char *') as string | null) ?? '',
  };
}

export function libc(): Binding {
  binding ??= load();
  return binding;
}

/**
 * A C function, bound at its first call. The variadic one (openat) is declared with the arguments we pass: on the 64-bit
 * Linux ABIs integers travel the same way in both kinds of call.
 */
export function bound(name: string, result: string, args: readonly string[]): Native {
  let native: Native | undefined;
  return (...values) => {
    native ??= libc().bind(name, result, args);
    return native(...values);
  };
}

const errnoNames = new Map<number, string>(Object.entries(constants.errno).map(([name, value]) => [value, name]));
// Two names for one number: the ones that Node's own fs errors carry.
for (const name of ['EAGAIN', 'ENOTSUP', 'EDEADLK'] as const) {
  const value = (constants.errno as Record<string, number | undefined>)[name];
  if (value !== undefined) errnoNames.set(value, name);
}

/** The name of the error that the last call of this thread left. */
export function errnoName(): string {
  const errno = libc().errno();
  return errnoNames.get(errno) ?? `E${errno}`;
}

/** An error like those of node:fs: `code` is the errno's name. */
export function systemError(code: string, syscall: string, path?: PathBytes): NodeJS.ErrnoException {
  const where = path === undefined ? '' : ` '${typeof path === 'string' ? path : Buffer.from(path).toString()}'`;
  return Object.assign(new Error(`${code}: ${syscall}${where}`), { code, syscall });
}

/** Passes a call's result on; throws where it is negative. */
export function check(result: number, syscall: string, path?: PathBytes): number {
  if (result < 0) throw systemError(errnoName(), syscall, path);
  return result;
}

// Room for a name in each place of a call; Linux takes paths up to 4096 bytes, longer ones get memory of their own and then fail in the kernel.
const scratchSize = 8192;
const scratch = [Buffer.alloc(scratchSize), Buffer.alloc(scratchSize), Buffer.alloc(scratchSize)] as const;

/** `text` as a C string in the scratch memory `place`, good until the next call with the same place. Throws EINVAL for a NUL inside. */
export function cString(text: PathBytes, place: 0 | 1 | 2 = 0): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  if (bytes.includes(0)) throw systemError('EINVAL', 'path', text);
  const memory = bytes.length < scratchSize ? scratch[place] : Buffer.alloc(bytes.length + 1);
  memory.set(bytes);
  memory[bytes.length] = 0;
  return memory;
}
