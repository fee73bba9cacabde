// Where a restore writes, from the options of `backup restore` and `recover restore`, and whether that destroys anything.
import { readdirSync, statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { errnoOf } from '../base/errors.ts';
import type { RestoreTargetInput } from '../rpc/schemas-backups.ts';
import { absolutePath, collect, collectMapping } from './parse.ts';
import type { Restorable, RestoreOptions } from './restorable.ts';
import { namesService, serviceFrom, serviceKeys, serviceOptions } from './restore-services.ts';
import { flagOf } from './source-options.ts';
import type { Asking } from './sources/kind.ts';
import { choice } from './verb.ts';

export function restoreOptions(command: Command): Command {
  const group = (heading: string) => (flags: string, description: string) => new Option(flags, description).helpGroup(heading);
  const [files, disks, load] = [group('Files:'), group('Disks:'), group('Output of a command:')];
  serviceOptions(command);
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
    .addOption(load('--before <line>', 'run this first; if it fails nothing is loaded; may be repeated').argParser(collect))
    .addOption(load('--after <line>', 'run this once the load has succeeded; may be repeated').argParser(collect))
    .addOption(load('--before-named <name>', '--before with a command of /etc/stillpoint/allow.yaml').argParser(collect))
    .addOption(load('--after-named <name>', '--after with a command of /etc/stillpoint/allow.yaml').argParser(collect))
    .option('--verify', 'read again what was written and compare')
    .option('--dry-run', 'only print what would happen')
    .option('-y, --yes', 'do not ask');
}

/** A server is its disks. */
const holdsDisks = ({ source }: Restorable): boolean => source === 'disk' || source === 'server';

/** Throws USAGE_ARGUMENT if the options do not fit the backup or each other. */
export async function targetFrom(
  options: RestoreOptions,
  words: readonly string[],
  backup: Restorable,
  asking: Asking,
): Promise<RestoreTargetInput> {
  const { wrong } = asking;
  const { target, inPlace, map, loadArgv, loadShell, loadNamed } = options;
  const loads = loadArgv || loadShell !== undefined || loadNamed !== undefined;
  const service = namesService(options, backup);
  const ways = [target !== undefined, Boolean(inPlace) && !service, map !== undefined, loads, service].filter(Boolean).length;
  if (ways > 1) wrong('--target, --in-place, --map, --load-…, --new-instance and a server or bucket exclude each other');
  const surrounds = (['before', 'after', 'beforeNamed', 'afterNamed'] as const).find((key) => options[key] !== undefined);
  if (surrounds && !loads) wrong(`${flagOf(surrounds)} goes with --load-argv, --load-shell or --load-named`);
  if (!loads && words.length > 0) wrong(`unexpected ${words.map((word) => JSON.stringify(word)).join(' ')}`);
  if (service) return serviceFrom(options, backup, asking);
  strangers(options, backup, wrong);
  if (ways === 0) wrong(`where to? --target ${holdsDisks(backup) ? 'DEVICE_OR_FILE' : 'DIRECTORY'} or --in-place is missing`);
  if (loads) return loadFrom(options, words, backup, wrong);
  if (map !== undefined && !holdsDisks(backup)) wrong('--map is for backups of disks');
  return holdsDisks(backup) ? disksFrom(options, backup, wrong) : filesFrom(options, backup, wrong);
}

/** What is said of servers where none is meant would be passed over in silence. */
function strangers(options: RestoreOptions, { source }: Restorable, wrong: (detail: string) => never): void {
  const found = serviceKeys.find((key) => options[key] !== undefined);
  if (found) wrong(`${flagOf(found)} does not go with a restore of ${source ?? 'files'} to a path`);
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
  const surrounded = { ...linesOf('before', options.before, options.beforeNamed), ...linesOf('after', options.after, options.afterNamed) };
  if (loadNamed !== undefined) return { kind: 'command', named: loadNamed, ...surrounded };
  if (loadShell !== undefined) return { kind: 'command', shell: loadShell, ...surrounded };
  if (words.length === 0) wrong('--load-argv needs the command after --, as in: --load-argv -- psql app');
  return { kind: 'command', argv: [...words], ...surrounded };
}

function linesOf<K extends 'before' | 'after'>(key: K, shells: readonly string[] = [], names: readonly string[] = []) {
  const commands = [...shells.map((shell) => ({ shell })), ...names.map((named) => ({ named }))];
  return (commands.length > 0 ? { [key]: commands } : {}) as { [key in K]?: typeof commands };
}

/** What a restore there destroys, in words for a question; undefined if nothing can be. Looks at the target, changes nothing. */
export function destroys(target: RestoreTargetInput): string | undefined {
  switch (target.kind) {
    case 'command':
      return [
        ...(target.before ?? []).map((command) => `${lineOf(command)} runs first`),
        `${lineOf(target)} gets the backup as its input and may overwrite what it loads into`,
        ...(target.after ?? []).map((command) => `${lineOf(command)} runs after it`),
      ].join('; ');
    case 'mysql':
    case 'postgres':
    case 'redis':
      return target.existing === 'replace' ? 'what the server has under the same names is replaced' : undefined;
    case 'bucket':
      return target.overwrite === 'never' ? undefined : 'objects with the same keys are overwritten';
    case 'instance':
      return undefined;
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

const lineOf = ({ named, shell, argv }: { readonly named?: string; readonly shell?: string; readonly argv?: readonly string[] }): string =>
  named ?? shell ?? argv?.join(' ') ?? '';

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
