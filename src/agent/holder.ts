// rdfreeze database …: what freeze_database and unfreeze_database of scripts/agent_func.sh call.
//   database NAME freeze ID     starts a process that holds NAME frozen, and ends when it does
//   database NAME unfreeze ID   lets it thaw
//   database NAME hold ID       that process
//   database decrypt            prints what `agentcli encpwd` encrypted
// Settings (`name=value` lines) and the ciphertext come on standard input.
import { exits } from '../base/error-codes.ts';
import { asStillpointError, fail } from '../base/errors.ts';
import { layoutOf } from '../config/layout.ts';
import { holderName } from '../quiescers/scripts/holders.ts';
import { runFolderOf } from '../quiescers/scripts/run-folder.ts';
import { type Databases, type HolderPlace, say } from './holder-place.ts';
import { decrypt, readInput } from './holder-settings.ts';

/** `argv` from the word `database` on. Answers the exit code; what there is to say goes to the error stream, marked as Log marks it. */
export async function serveDatabase(argv: readonly string[], databases?: Databases): Promise<number> {
  try {
    const words = argv.slice(argv.indexOf('database') + 1);
    if (words.length === 1 && words[0] === 'decrypt') return await printDecrypted();
    const known = databases ?? (await import('./wiring.ts')).databases;
    const [database = '', verb = '', id = ''] = words;
    if (words.length !== 3 || !Object.hasOwn(known, database))
      fail('USAGE', { detail: `rdfreeze database ${Object.keys(known).join('|')} freeze|unfreeze ID` });
    const place = placeOf(database, id);
    if (verb === 'freeze') return await (await import('./holder-client.ts')).freezeDatabase(place);
    if (verb === 'unfreeze') return await (await import('./holder-client.ts')).unfreezeDatabase(place, known);
    if (verb === 'hold') return await (await import('./holder-hold.ts')).holdDatabase(place, known);
    fail('USAGE', { detail: `rdfreeze database cannot ${verb}` });
  } catch (error) {
    const { message, hint, exit } = asStillpointError(error);
    say('ERROR', `${message}. ${hint}`);
    return exit || exits.failed;
  }
}

function placeOf(database: string, id: string): HolderPlace {
  const folder = process.env['STILLPOINT_FREEZE_FOLDER'] || runFolderOf(layoutOf().run, id);
  const pair = process.env['STILLPOINT_FREEZE_PAIR'];
  return { database, id, folder, holder: holderName(pair || database, database), byAgent: Boolean(pair) };
}

async function printDecrypted(): Promise<number> {
  const [line = ''] = (await readInput()).split('\n', 1);
  process.stdout.write(`${decrypt(line.trim(), 'the password')}\n`);
  return 0;
}
