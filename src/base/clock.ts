// Time comes in from outside, so that tests can own it.

export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. */
  now(): number;
  /** Milliseconds that pass while the host sleeps too (CLOCK_BOOTTIME); only differences mean something. */
  boottime(): number;
}
