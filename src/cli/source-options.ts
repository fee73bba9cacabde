// What a plan reads, from the options of `plan create` and `plan update`.
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { fail } from '../base/errors.ts';
import type { SourceInput } from '../rpc/schemas-plans.ts';
import { collect, collectPath, parseSize } from './parse.ts';
import { choice } from './verb.ts';

export interface SourceOptions {
  readonly source?: 'files' | 'disk' | 'server' | 'command';
  readonly path?: readonly string[];
  readonly exclude?: readonly string[];
  readonly excludeFile?: readonly string[];
  readonly oneFileSystem?: boolean;
  readonly excludeCaches?: boolean;
  readonly disks?: 'all' | 'system' | 'data';
  readonly excludeDisk?: readonly string[];
  readonly argv?: boolean;
  readonly shell?: string;
  readonly named?: string;
  readonly fileName?: string;
  readonly minBytes?: number;
  readonly expectTail?: string;
}

export function sourceOptions(command: Command): Command {
  const files = (flags: string, description: string) => new Option(flags, description).helpGroup('Files and disks:');
  const server = (flags: string, description: string) => new Option(flags, description).helpGroup('All disks of the server:');
  const output = (flags: string, description: string) => new Option(flags, description).helpGroup('Output of a command:');
  return command
    .addOption(choice('--source <kind>', 'what is read', ['files', 'disk', 'server', 'command']))
    .addOption(files('--path <path>', 'file, directory, device or disk image; may be repeated').argParser(collectPath))
    .addOption(
      files('--exclude <glob>', 'leave out what matches (as restic: **, leading ! brings back); may be repeated').argParser(collect),
    )
    .addOption(files('--exclude-file <file>', 'file with one such pattern a line; may be repeated').argParser(collectPath))
    .addOption(files('--one-file-system', 'stay on the file system of each path'))
    .addOption(files('--exclude-caches', 'leave out directories with a CACHEDIR.TAG'))
    .addOption(server('--disks <which>', 'those the host runs from, the others, or all (if not given)').choices(['all', 'system', 'data']))
    .addOption(
      server('--exclude-disk <name>', 'leave out this disk: /dev/disk/by-id/…, serial number or device; may be repeated').argParser(
        collect,
      ),
    )
    .addOption(output('--argv', 'the command and its arguments follow after --'))
    .addOption(output('--shell <line>', 'a line for bash, run with pipefail'))
    .addOption(output('--named <name>', 'a command that root has named in /etc/stillpoint/allow.yaml'))
    .addOption(output('--file-name <name>', 'name of the file that the output becomes'))
    .addOption(output('--min-bytes <n>', 'less output is no backup (10M)').argParser(parseSize))
    .addOption(output('--expect-tail <regexp>', 'the last 4 KiB must match, else it is no backup'));
}

const ofFiles = ['exclude', 'excludeFile', 'oneFileSystem', 'excludeCaches'] as const;
const ofServer = ['disks', 'excludeDisk'] as const;
const ofCommand = ['argv', 'shell', 'named', 'fileName', 'minBytes', 'expectTail'] as const;

const foreign = {
  files: [...ofServer, ...ofCommand],
  disk: [...ofFiles, ...ofServer, ...ofCommand],
  server: ['path', ...ofFiles, ...ofCommand],
  command: ['path', ...ofFiles, ...ofServer],
} as const satisfies Record<string, readonly (keyof SourceOptions)[]>;

/** Whether anything of the source is said at all. */
export function namesSource(options: SourceOptions, words: readonly string[]): boolean {
  const { source, path } = options;
  return (
    words.length > 0 ||
    source !== undefined ||
    path !== undefined ||
    Object.values(foreign)
      .flat()
      .some((key) => options[key] !== undefined)
  );
}

/** Throws USAGE_ARGUMENT if an option does not go with the kind, or one that the kind needs is missing. */
export function sourceFrom(options: SourceOptions, words: readonly string[], help: string, before?: SourceInput): SourceInput {
  const wrong = (detail: string): never => fail('USAGE_ARGUMENT', { detail, help });
  const kind = options.source ?? before?.kind ?? impliedKind(options, words);
  if (!kind) return wrong('--source is missing: files, disk, server or command');
  const stranger = foreign[kind].find((key) => options[key] !== undefined);
  if (stranger) wrong(`${flagOf(stranger)} does not go with --source ${kind}`);
  if (kind !== 'command' && words.length > 0) wrong(`unexpected ${words.map((word) => JSON.stringify(word)).join(' ')}`);
  const same = before?.kind === kind ? before : undefined;
  switch (kind) {
    case 'files':
      return { ...(same as object), kind, paths: paths(options, same, wrong), ...filesDetails(options) };
    case 'disk':
      return { kind, paths: paths(options, same, wrong) };
    case 'server':
      return { ...(same as object), kind, ...serverDetails(options) };
    case 'command':
      return commandFrom(options, words, same?.kind === 'command' ? same : undefined, wrong);
  }
}

function impliedKind(options: SourceOptions, words: readonly string[]): 'command' | undefined {
  return options.argv || options.shell !== undefined || options.named !== undefined || words.length > 0 ? 'command' : undefined;
}

function paths(options: SourceOptions, same: SourceInput | undefined, wrong: (detail: string) => never): string[] {
  const before = same && 'paths' in same ? same.paths : undefined;
  const given = options.path ?? before;
  return given && given.length > 0 ? [...given] : wrong('--path is missing');
}

function filesDetails({ exclude, excludeFile, oneFileSystem, excludeCaches }: SourceOptions) {
  return {
    ...(exclude && { excludes: [...exclude] }),
    ...(excludeFile && { excludeFiles: [...excludeFile] }),
    ...(oneFileSystem && { oneFileSystem }),
    ...(excludeCaches && { excludeCaches }),
  };
}

const serverDetails = ({ disks, excludeDisk }: SourceOptions) => ({
  ...(disks && { disks }),
  ...(excludeDisk && { exclude: [...excludeDisk] }),
});

type CommandInput = Extract<SourceInput, { kind: 'command' }>;

function commandFrom(
  options: SourceOptions,
  words: readonly string[],
  same: CommandInput | undefined,
  wrong: (detail: string) => never,
): SourceInput {
  const { shell, named, fileName, minBytes, expectTail } = options;
  if ([shell !== undefined, named !== undefined, words.length > 0].filter(Boolean).length > 1)
    wrong('--shell, --named and a command after -- exclude each other');
  if (options.argv && words.length === 0) wrong('--argv needs the command after --, as in: --argv -- pg_dump app');
  const { argv: oldArgv, shell: oldShell, named: oldNamed, ...rest } = same ?? { kind: 'command' as const };
  const what =
    shell !== undefined
      ? { shell }
      : named !== undefined
        ? { named }
        : words.length > 0
          ? { argv: [...words] }
          : { ...(oldArgv && { argv: oldArgv }), ...(oldShell !== undefined && { shell: oldShell }), ...(oldNamed && { named: oldNamed }) };
  if (Object.keys(what).length === 0) wrong('--shell LINE, --named NAME or --argv -- COMMAND is missing');
  return {
    ...rest,
    kind: 'command',
    ...what,
    ...(fileName !== undefined && { fileName: checkedFileName(fileName, wrong) }),
    ...(minBytes !== undefined && { minBytes }),
    ...(expectTail !== undefined && { expectTail: checkedExpression(expectTail, wrong) }),
  };
}

function checkedFileName(name: string, wrong: (detail: string) => never): string {
  return name !== '' && name !== '.' && name !== '..' && basename(name) === name ? name : wrong('--file-name takes a name, not a path');
}

function checkedExpression(text: string, wrong: (detail: string) => never): string {
  try {
    return new RegExp(text).source;
  } catch {
    return wrong(`--expect-tail ${JSON.stringify(text)} is not a regular expression`);
  }
}

export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
