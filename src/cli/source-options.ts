// What a plan reads, from the options of `plan create` and `plan update`: the list of the kinds, and which one is meant.
import type { Command, Option } from 'commander';
import { fail } from '../base/errors.ts';
import type { Plan, SourceInput } from '../rpc/schemas-plans.ts';
import { readKeyFile } from './files.ts';
import type { Session } from './session.ts';
import { bucket, bucketOptions } from './sources/bucket.ts';
import { command, commandOptions } from './sources/command.ts';
import { databaseOptions } from './sources/database.ts';
import { disk } from './sources/disk.ts';
import { files, filesOptions } from './sources/files.ts';
import type { Asking, Row, SourceKind, SourceOptions } from './sources/kind.ts';
import { mysql } from './sources/mysql.ts';
import { pathOption } from './sources/paths.ts';
import { postgres } from './sources/postgres.ts';
import { redis } from './sources/redis.ts';
import { server, serverOptions } from './sources/server.ts';
import { bucketNameOptions, storeCredentials, storeOptions } from './store-options.ts';
import { choice } from './verb.ts';

export type { SourceOptions } from './sources/kind.ts';

type Kind = SourceInput['kind'];

const kinds: { readonly [K in Kind]: SourceKind<K> } = { files, disk, server, command, mysql, postgres, redis, bucket };
export const kindNames = Object.keys(kinds) as Kind[];

/** The kind of a source is not known to the compiler where it is used. */
const kindOf = (kind: Kind): SourceKind<never> => kinds[kind] as unknown as SourceKind<never>;

export function sourceOptions(to: Command): Command {
  to.addOption(choice('--source <kind>', 'what is read', kindNames));
  for (const option of [
    pathOption,
    ...filesOptions,
    ...serverOptions,
    ...commandOptions,
    ...databaseOptions,
    ...bucketNameOptions(),
    ...bucketOptions,
  ])
    to.addOption(copyOf(option));
  return storeOptions(to).option(
    '--method <method>',
    'mysql: logical (if not given), physical, snapshot, incremental; postgres: logical, physical, incremental; others have one',
  );
}

/** commander keeps what was typed with the option: two commands must not share one. */
const copyOf = (option: Option): Option => Object.assign(Object.create(Object.getPrototypeOf(option) as object) as Option, option);

const all = new Set(kindNames.flatMap((kind) => [...kindOf(kind).takes]));
/** May stand beside any source, and says nothing of it by itself. */
const shared: ReadonlySet<string> = new Set(['method']);

/** Whether anything of the source is said at all. */
export function namesSource(options: SourceOptions, words: readonly string[]): boolean {
  return words.length > 0 || options.source !== undefined || [...all].some((key) => options[key] !== undefined);
}

/** Throws USAGE_ARGUMENT if an option does not go with the kind, or one that the kind needs is missing. */
export async function sourceFrom(
  options: SourceOptions,
  words: readonly string[],
  asking: Asking,
  before?: Plan['source'],
): Promise<SourceInput> {
  const { wrong } = asking;
  const kind = options.source ?? before?.kind ?? impliedKind(options, words);
  if (!kind) return wrong(`--source is missing: ${kindNames.slice(0, -1).join(', ')} or ${kindNames.at(-1)}`);
  const { takes, from } = kindOf(kind);
  const stranger = [...all].find((key) => options[key] !== undefined && !takes.includes(key) && !shared.has(key));
  if (stranger) wrong(`${flagOf(stranger)} does not go with --source ${kind}`);
  if (kind !== 'command' && words.length > 0) wrong(`unexpected ${words.map((word) => JSON.stringify(word)).join(' ')}`);
  return from(options, words, (before?.kind === kind ? before : undefined) as never, asking);
}

export const sourceText = ({ source }: Plan): string => kindOf(source.kind).text(source as never);

export const sourceRows = (plan: Plan): readonly Row[] => kindOf(plan.source.kind).rows(plan.source as never, plan);

function impliedKind(options: SourceOptions, words: readonly string[]): 'command' | undefined {
  return options.argv || options.shell !== undefined || options.named !== undefined || words.length > 0 ? 'command' : undefined;
}

export function askingOf(session: Session, help: string): Asking {
  return {
    wrong: (detail) => fail('USAGE_ARGUMENT', { detail, help }),
    async password({ passwordFile, user }, before) {
      if (passwordFile !== undefined) return readKeyFile(passwordFile);
      const found = session.environment['STILLPOINT_DATABASE_PASSWORD'];
      if (found) return found;
      if (before || user === undefined) return undefined;
      const { secretPrompt } = await import('./prompt.ts');
      return (await secretPrompt(session.terminal)?.(`Password of ${user} (empty for none)`)) || undefined;
    },
    credentials: (options, what) => storeCredentials(session, options, what),
  };
}

export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
