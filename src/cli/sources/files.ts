import { collect, collectPath } from '../parse.ts';
import { printable, printableLines } from '../terminal.ts';
import { grouped, type SourceKind } from './kind.ts';
import { pathsFrom } from './paths.ts';

const option = grouped('Files and disks:');

export const filesOptions = [
  option('--exclude <glob>', 'leave out what matches (as restic: **, leading ! brings back); may be repeated').argParser(collect),
  option('--exclude-file <file>', 'file with one such pattern a line; may be repeated').argParser(collectPath),
  option('--one-file-system', 'stay on the file system of each path'),
  option('--exclude-caches', 'leave out directories with a CACHEDIR.TAG'),
];

export const files: SourceKind<'files'> = {
  takes: ['path', 'exclude', 'excludeFile', 'oneFileSystem', 'excludeCaches'],
  async from(options, _words, same, asking) {
    const { exclude, excludeFile, oneFileSystem, excludeCaches } = options;
    return {
      ...same,
      kind: 'files',
      paths: pathsFrom(options, same?.paths, asking),
      ...(exclude && { excludes: [...exclude] }),
      ...(excludeFile && { excludeFiles: [...excludeFile] }),
      ...(oneFileSystem && { oneFileSystem }),
      ...(excludeCaches && { excludeCaches }),
    };
  },
  text: ({ paths }) => printable(paths.join(' ')),
  rows: ({ paths, excludes, excludeFiles, oneFileSystem, excludeCaches }) => [
    ['Paths', printableLines(paths)],
    ['Excludes', printableLines(excludes)],
    ['Exclude files', printableLines(excludeFiles)],
    ['Options', [...(oneFileSystem ? ['one file system'] : []), ...(excludeCaches ? ['no caches'] : [])].join(', ')],
  ],
};
