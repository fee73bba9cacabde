import { printable, printableLines } from '../terminal.ts';
import type { SourceKind } from './kind.ts';
import { pathsFrom } from './paths.ts';

export const disk: SourceKind<'disk'> = {
  takes: ['path'],
  from: async (options, _words, same, asking) => ({ kind: 'disk', paths: pathsFrom(options, same?.paths, asking) }),
  text: ({ paths }) => printable(paths.join(' ')),
  rows: ({ paths }) => [['Paths', printableLines(paths)]],
};
