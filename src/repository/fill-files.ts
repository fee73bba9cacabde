// The files of a fill job, flat for the way to the worker: small files come by the hundred thousand, and an object each is dear to copy.
import type { FileMeta } from '../base/libc-meta.ts';
import type { FilesToFill, FillOutcomes } from './jobs.ts';

/** A file to be filled. */
export interface FileToFill {
  readonly open:
    | { readonly kind: 'fd'; readonly fd: number }
    | { readonly kind: 'create'; readonly dirfd: number; readonly name: Uint8Array };
  readonly size: number;
  readonly compare: boolean;
  readonly meta?: FileMeta;
}

/** What came of one. */
export interface FillOutcome {
  readonly written: number;
  readonly warnings: readonly string[];
  readonly error?: { readonly message: string; readonly code: string };
}

const [compareFlag, createFlag, metaFlag] = [1, 2, 4];

export function flatFiles(files: readonly FileToFill[]): FilesToFill {
  const nameBytes = files.reduce((sum, { open }) => sum + (open.kind === 'create' ? open.name.length : 0), 0);
  const flags = new Uint8Array(files.length);
  const fds = new Int32Array(files.length);
  const names = new Uint8Array(nameBytes);
  const nameEnds = new Uint32Array(files.length);
  const sizes = new Float64Array(files.length);
  const owners = new Uint32Array(3 * files.length);
  const times = new Float64Array(4 * files.length);
  const xattrs: [number, FileMeta['xattrs']][] = [];
  let end = 0;
  files.forEach(({ open, size, compare, meta }, i) => {
    flags[i] = (compare ? compareFlag : 0) | (open.kind === 'create' ? createFlag : 0) | (meta ? metaFlag : 0);
    sizes[i] = size;
    if (open.kind === 'fd') fds[i] = open.fd;
    else {
      fds[i] = open.dirfd;
      names.set(open.name, end);
      end += open.name.length;
    }
    nameEnds[i] = end;
    if (!meta) return;
    owners.set([meta.uid, meta.gid, meta.mode], 3 * i);
    times.set([meta.atime.seconds, meta.atime.nanos, meta.mtime.seconds, meta.mtime.nanos], 4 * i);
    if (meta.xattrs.length > 0) xattrs.push([i, meta.xattrs]);
  });
  return { flags, fds, names, nameEnds, sizes, owners, times, xattrs };
}

/** The files again, one at a time. */
export function fileReader({ flags, fds, names, nameEnds, sizes, owners, times, xattrs }: FilesToFill): (i: number) => FileToFill {
  const attributes = new Map(xattrs);
  const metaOf = (i: number): FileMeta => ({
    uid: owners[3 * i]!,
    gid: owners[3 * i + 1]!,
    mode: owners[3 * i + 2]!,
    atime: { seconds: times[4 * i]!, nanos: times[4 * i + 1]! },
    mtime: { seconds: times[4 * i + 2]!, nanos: times[4 * i + 3]! },
    xattrs: attributes.get(i) ?? [],
  });
  return (i) => {
    const flag = flags[i]!;
    const name = () => names.subarray(i === 0 ? 0 : nameEnds[i - 1], nameEnds[i]);
    return {
      open: (flag & createFlag) !== 0 ? { kind: 'create', dirfd: fds[i]!, name: name() } : { kind: 'fd', fd: fds[i]! },
      size: sizes[i]!,
      compare: (flag & compareFlag) !== 0,
      ...((flag & metaFlag) !== 0 ? { meta: metaOf(i) } : undefined),
    };
  };
}

export function flatOutcomes(outcomes: readonly FillOutcome[]): FillOutcomes {
  return {
    written: Float64Array.from(outcomes, ({ written }) => written),
    warnings: outcomes.flatMap(({ warnings }, i) => (warnings.length > 0 ? [[i, warnings] as const] : [])),
    errors: outcomes.flatMap(({ error }, i) => (error ? [[i, error] as const] : [])),
  };
}
