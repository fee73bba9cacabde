import type { FoundDisk } from '../../rpc/schemas-plans.ts';
import { formatSize } from '../format.ts';
import { collect } from '../parse.ts';
import { printable, printableLines } from '../terminal.ts';
import { grouped, type SourceKind } from './kind.ts';

const option = grouped('All disks of the server:');

export const serverOptions = [
  option('--disks <which>', 'those the host runs from, the others, or all (if not given)').choices(['all', 'system', 'data']),
  option('--exclude-disk <name>', 'leave out this disk: /dev/disk/by-id/…, serial number or device; may be repeated').argParser(collect),
];

export const server: SourceKind<'server'> = {
  takes: ['disks', 'excludeDisk'],
  from: async ({ disks, excludeDisk }, _words, same) => ({
    ...same,
    kind: 'server',
    ...(disks && { disks }),
    ...(excludeDisk && { exclude: [...excludeDisk] }),
  }),
  text: ({ disks }) => `${disks === 'all' ? 'all' : `all ${disks}`} disks of this host`,
  rows: (source, { disks = [] }) => [
    ['Reads', server.text(source)],
    ['Excludes', printableLines(source.exclude)],
    ['Disks now', disks.map(diskText).join('\n') || 'none: its next backup will fail'],
  ],
};

/** A host of containers has hundreds of mounts on one disk. */
const pointsShown = 5;

/** One line: what it is, and whether a backup would read it. */
function diskText({ path, size, system, uses, excluded }: FoundDisk): string {
  const points = uses.map(({ point, writable }) => (writable ? point : `${point} (read-only)`));
  const more = points.length > pointsShown ? ` and ${points.length - pointsShown} more` : '';
  const used = points.length > 0 ? `in use: ${points.slice(0, pointsShown).join(' ')}${more}` : 'not in use';
  return printable([path, formatSize(size), system ? 'system disk' : 'data disk', used, ...(excluded ? ['excluded'] : [])].join('  '));
}
