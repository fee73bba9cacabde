// What an entry of the table of errors is made of.
export type Retry = 'never' | 'later' | 'now';

/** Exit codes by kind of error; 3, 10, 11, 12 and 130 mean what they mean in restic. */
export const exits = {
  failed: 1,
  usage: 2,
  warnings: 3,
  notFound: 4,
  refused: 5,
  unreachable: 6,
  noSpace: 7,
  damaged: 8,
  noRepository: 10,
  locked: 11,
  wrongKey: 12,
  cancelled: 130,
} as const;

export interface ErrorEntry {
  readonly message: string;
  readonly hint: string;
  readonly exit: number;
  readonly retry: Retry;
}

export const entry = (exit: keyof typeof exits, message: string, hint: string, retry: Retry = 'never'): ErrorEntry => ({
  message,
  hint,
  exit: exits[exit],
  retry,
});
