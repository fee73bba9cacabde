// Process ids come again; together with its start a process is named for good, and with the boot's id so is what it left behind.
import { randomUUID } from 'node:crypto';
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

/** Of this run of the kernel; where the system has none, of this process: nothing is then taken for still running. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return ownRun;
  }
}

const ownRun = randomUUID();
