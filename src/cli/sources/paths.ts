// The paths of files and disks.
import { collectPath } from '../parse.ts';
import { type Asking, grouped, type SourceOptions } from './kind.ts';

export const pathOption = grouped('Files and disks:')('--path <path>', 'file, directory, device or disk image; may be repeated').argParser(
  collectPath,
);

/** Throws USAGE_ARGUMENT where there are none. */
export function pathsFrom({ path }: SourceOptions, before: readonly string[] | undefined, { wrong }: Asking): string[] {
  const given = path ?? before;
  return given && given.length > 0 ? [...given] : wrong('--path is missing');
}
