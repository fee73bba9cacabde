// Process ids come again; together with its start a process is named for good.
import { readFileSync } from 'node:fs';

/** When the process was started, in the kernel's ticks. Empty for none, and for a zombie. */
export function startOf(pid: number): string {
  try {
    // The name in parentheses may hold anything; the state follows it, the start is the 20th after that.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}
