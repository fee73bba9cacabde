// What receivers say back, and what people are told.
import { failure, type StillpointError } from '../base/errors.ts';
import type { Alert } from '../ports/alarm-sink.ts';

/** Longest a receiver may take (ms); its own time-out may be shorter. */
export const patience = 30_000;

/** Characters of an answer that are kept. */
const longest = 200;

/** In one line, without control characters, and without `secrets`: who is told a secret may say it back. */
export function saidBack(text: string, secrets: readonly (string | undefined)[] = []): string {
  const bare = secrets.reduce<string>((rest, secret) => (secret ? rest.replaceAll(secret, '(secret)') : rest), text);
  return bare
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, longest);
}

export const refused = (sink: string, detail: string, cause?: unknown): StillpointError =>
  failure('ALARM_SINK', { sink, detail }, { cause });

/** `stillpoint MAJOR db1: BACKUP_FAILED of plan shop` */
export function headline({ kind, level, hostname, type, subject }: Alert): string {
  const word = kind === 'raise' ? level.toUpperCase() : kind === 'clear' ? 'CLEARED' : 'TEST';
  return oneLine(`stillpoint ${word} ${hostname}: ${type}${subject.kind === 'agent' ? '' : ` of ${subject.kind} ${subject.name}`}`);
}

const oneLine = (text: string) => text.replace(/[\p{Cc}\s]+/gu, ' ');
