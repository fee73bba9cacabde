// Loaded first, it gives this process the time that $AGENT_HOME/clock holds (16 digits, ms since the epoch), so that a test can let a year pass.
import { openSync, readSync } from 'node:fs';

const fd = openSync(`${process.env['AGENT_HOME']}/clock`, 'r');
const digits = Buffer.alloc(16);

function now(): number {
  readSync(fd, digits, 0, 16, 0);
  return Number(digits.toString('latin1'));
}

const Real = Date;

class SetDate extends Real {
  constructor(...parts: readonly unknown[]) {
    if (parts.length === 0) super(now());
    else super(...(parts as [number]));
  }

  static override now = now;
}

globalThis.Date = SetDate as DateConstructor;
