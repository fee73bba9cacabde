// The recovery key: where it comes from, and where it goes when it is told, once.
import { fail } from '../base/errors.ts';
import { type KeyFile, readKeyFile, reserveKeyFile } from './files.ts';
import type { Session } from './session.ts';

/** The key of an existing vault: `--recovery-key-file`, STILLPOINT_RECOVERY_KEY_FILE, or a question. Throws KEY_FILE_NEEDED. */
export async function findRecoveryKey(session: Session, file: string | undefined): Promise<string> {
  const path = file ?? session.environment['STILLPOINT_RECOVERY_KEY_FILE'];
  if (path) return readKeyFile(path);
  const { secretPrompt } = await import('./prompt.ts');
  const answer = (await secretPrompt(session.terminal)?.('Recovery key'))?.trim();
  return answer || fail('KEY_FILE_NEEDED');
}

/**
 * Runs `make` only if the key that it tells can be kept: in the file (taken first, given back if `make` fails) or on the terminal.
 * Throws KEY_FILE_NEEDED, FILE_EXISTS or FILE_UNWRITABLE before anything is made.
 */
export async function withNewKey<T>(
  session: Session,
  file: string | undefined,
  make: () => Promise<T>,
): Promise<{ made: T; keyFile?: KeyFile }> {
  if (file === undefined && !session.terminal.stdout.isTTY) fail('KEY_FILE_NEEDED');
  const keyFile = file === undefined ? undefined : reserveKeyFile(file);
  try {
    return { made: await make(), ...(keyFile && { keyFile }) };
  } catch (error) {
    keyFile?.drop();
    throw error;
  }
}

/** Keeps the key in its file, or shows it in a frame. With --json and no file it is part of the answer. */
export async function tellKey(session: Session, key: string, keyFile: KeyFile | undefined): Promise<void> {
  keyFile?.keep(key);
  if (session.json) return;
  if (keyFile) return session.print(`recovery key written to ${keyFile.path}: keep a copy away from this host\n`);
  const { boxText } = await import('./print.ts');
  const { paint } = session.terminal;
  const lines = [
    paint('bold', 'Recovery key'),
    '',
    paint('bold', key),
    '',
    'It is shown this once and kept nowhere. Whoever has it and the pool can read',
    'every backup; without it a lost host’s backups cannot be read by anybody.',
  ];
  session.print(`\n${boxText(lines, paint)}`);
}
