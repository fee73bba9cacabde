// Where a restore writes, from the options of `backup restore` and `recover restore`, and whether that destroys anything.
import { readdirSync, statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { errnoOf, fail } from '../base/errors.ts';
import type { RestoreTargetInput } from '../rpc/schemas-backups.ts';
import { absolutePath, collect, collectMapping } from './parse.ts';
import { choice } from './verb.ts';

export interface RestoreOptions {
  readonly target?: string;
  readonly inPlace?: boolean;
  readonly include?: readonly string[];
  readonly overwrite?: 'always' | 'if-changed' | 'never';
  readonly delete?: boolean;
  readonly verify?: boolean;
  readonly map?: Readonly<Record<string, string>>;
  readonly loadArgv?: boolean;
  readonly loadShell?: string;
  readonly loadNamed?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function restoreOptions(command: Command): Command {
  const group = (heading: string) => (flags: string, description: string) => new Option(flags, description).helpGroup(heading);
  const [files, disks, load] = [group('Files:'), group('Disks:'), group('Output of a command:')];
  return command
    .option('--target <path>', 'files: directory to restore below; one disk: device or image file', absolutePath)
    .option('--in-place', 'to where it came from')
    .addOption(files('--include <path>', 'only this path of the backup; may be repeated').argParser(collect))
    .addOption(
      choice('--overwrite <when>', 'what is there already; always if not given', ['always', 'if-changed', 'never']).helpGroup('Files:'),
    )
    .addOption(files('--delete', 'delete what the backup does not have'))
    .addOption(disks('--map <disk=target>', 'where each disk goes; may be repeated').argParser(collectMapping))
    .addOption(load('--load-argv', 'feed it to the command that follows after --'))
    .addOption(load('--load-shell <line>', 'feed it to a line for bash, run with pipefail'))
    .addOption(load('--load-named <name>', 'feed it to a command of /etc/stillpoint/allow.yaml'))
    .option('--verify', 'read again what was written and compare')
    .option('--dry-run', 'only print what would happen')
    .option('-y, --yes', 'do not ask');
}

/** A server is its disks. */
const holdsDisks = ({ source }: Restorable): boolean => source === 'disk' || source === 'server';

/** The backup as far as a restore has to know it. */
export interface Restorable {
  readonly source: string | null;
  readonly paths: readonly string[];
}

/** Throws USAGE_ARGUMENT if the options do not fit the backup or each other. */
export function targetFrom(options: RestoreOptions, words: readonly string[], backup: Restorable, help: string): RestoreTargetInput {
  const wrong = (detail: string): never => fail('USAGE_ARGUMENT', { detail, help });
  const { target, inPlace, map, loadArgv, loadShell, loadNamed } = options;
  const loads = loadArgv || loadShell !== undefined || loadNamed !== undefined;
  const ways = [target !== undefined, Boolean(inPlace), map !== undefined, loads].filter(Boolean).length;
  if (ways > 1) wrong('--target, --in-place, --map and --load-… exclude each other');
  if (!loads && words.length > 0) wrong(`unexpected ${words.map((word) => JSON.stringify(word)).join(' ')}`);
  if (ways === 0) wrong(`where to? --target ${holdsDisks(backup) ? 'DEVICE_OR_FILE' : 'DIRECTORY'} or --in-place is missing`);
  if (loads) return loadFrom(options, words, backup, wrong);
  if (map !== undefined && !holdsDisks(backup)) wrong('--map is for backups of disks');
  return holdsDisks(backup) ? disksFrom(options, backup, wrong) : filesFrom(options, backup, wrong);
}

function filesFrom(options: RestoreOptions, backup: Restorable, wrong: (detail: string) => never): RestoreTargetInput {
  const { target, include, overwrite, verify } = options;
  if (backup.source === 'command' && options.inPlace)
    wrong('the output of a command has no place; use --target DIRECTORY or --load-argv -- COMMAND');
  return {
    kind: 'files',
    path: target ?? '/',
    ...(include && { include: [...include] }),
    ...(overwrite && { overwrite }),
    ...(options.delete && { delete: true }),
    ...(verify && { verify }),
  };
}

function disksFrom(options: RestoreOptions, backup: Restorable, wrong: (detail: string) => never): RestoreTargetInput {
  const stranger = (['include', 'overwrite', 'delete'] as const).find((key) => options[key] !== undefined);
  if (stranger) wrong(`--${stranger} is for files; this is a backup of ${backup.paths.length > 1 ? 'disks' : 'a disk'}`);
  const { target, map, verify } = options;
  const [first, ...more] = backup.paths;
  if (target !== undefined && (first === undefined || more.length > 0))
    wrong(`it holds ${backup.paths.length} disks; say where each goes with --map DISK=TARGET (${backup.paths.join(', ')})`);
  const unknown = Object.keys(map ?? {}).find((disk) => !backup.paths.includes(disk));
  if (unknown) wrong(`the backup has no disk ${unknown} (it has ${backup.paths.join(', ')})`);
  const where = map ?? Object.fromEntries(backup.paths.map((path) => [path, target ?? path]));
  return { kind: 'disk', map: where, ...(verify && { verify }) };
}

function loadFrom(
  options: RestoreOptions,
  words: readonly string[],
  backup: Restorable,
  wrong: (detail: string) => never,
): RestoreTargetInput {
  const { loadArgv, loadShell, loadNamed } = options;
  if (backup.source !== 'command') wrong('--load-… is for backups of the output of a command');
  if ([loadArgv || words.length > 0, loadShell !== undefined, loadNamed !== undefined].filter(Boolean).length > 1)
    wrong('--load-argv, --load-shell and --load-named exclude each other');
  if (loadNamed !== undefined) return { kind: 'command', named: loadNamed };
  if (loadShell !== undefined) return { kind: 'command', shell: loadShell };
  if (words.length === 0) wrong('--load-argv needs the command after --, as in: --load-argv -- psql app');
  return { kind: 'command', argv: [...words] };
}

/** What a restore there destroys, in words for a question; undefined if nothing can be. Looks at the target, changes nothing. */
export function destroys(target: RestoreTargetInput): string | undefined {
  switch (target.kind) {
    case 'command':
      return `${target.named ?? target.shell ?? target.argv?.join(' ')} gets the backup as its input and may overwrite what it loads into`;
    case 'disk': {
      const there = Object.values(target.map).filter(exists);
      return there.length > 0 ? `all of ${there.join(', ')} is overwritten` : undefined;
    }
    case 'files': {
      const place = target.path === '/' ? 'their old place' : target.path;
      if (isEmpty(target.path)) return undefined;
      if (target.delete) return `files in ${place} are overwritten, and what the backup does not have is deleted there`;
      return target.overwrite === 'never' ? undefined : `files in ${place} are overwritten`;
    }
  }
}

function exists(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ENOENT';
  }
}

function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0;
  } catch (error) {
    return errnoOf(error) === 'ENOENT';
  }
}
