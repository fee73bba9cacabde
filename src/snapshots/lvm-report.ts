// What LVM says of its logical volumes. Source: lvs(8), lvmreport(7).
import type { Run } from './run.ts';

export interface LogicalVolume {
  readonly group: string;
  readonly name: string;
  /** `swi-a-s---`: kind, permissions, allocation, fixed minor, state, open, target, zeroing, health, activation skip. */
  readonly attributes: string;
  /** Bytes. */
  readonly size: number;
  readonly origin: string;
  /** The pool of a thin volume. */
  readonly pool: string;
  /** How full a snapshot or a pool is, percent; undefined where LVM does not say. */
  readonly full: number | undefined;
  readonly metadataFull: number | undefined;
  readonly invalid: boolean;
  /** `major:minor`; `-1:-1` when it is not active. */
  readonly device: string;
  /** Bytes that are free in the group. */
  readonly groupFree: number;
  /** Bytes. */
  readonly extent: number;
}

const fields = [
  'lv_name',
  'vg_name',
  'lv_attr',
  'lv_size',
  'origin',
  'pool_lv',
  'data_percent',
  'metadata_percent',
  'lv_snapshot_invalid',
  'lv_kernel_major',
  'lv_kernel_minor',
  'vg_free',
  'vg_extent_size',
] as const;

type Row = Readonly<Record<(typeof fields)[number], string>>;

/** All of the host. Throws what lvs says. */
export async function logicalVolumes(run: Run): Promise<LogicalVolume[]> {
  const text = await run('lvs', ['--reportformat', 'json', '--units', 'b', '--nosuffix', '--options', fields.join(',')]);
  return rowsOf(text).map((row) => ({
    group: row.vg_name,
    name: row.lv_name,
    attributes: row.lv_attr,
    size: Number(row.lv_size),
    origin: row.origin,
    pool: row.pool_lv,
    full: percent(row.data_percent),
    metadataFull: percent(row.metadata_percent),
    invalid: row.lv_snapshot_invalid === 'snapshot invalid' || row.lv_snapshot_invalid === '1',
    device: `${row.lv_kernel_major}:${row.lv_kernel_minor}`,
    groupFree: Number(row.vg_free),
    extent: Number(row.vg_extent_size),
  }));
}

function rowsOf(text: string): Row[] {
  let report: unknown;
  try {
    report = (JSON.parse(text) as { report?: unknown }).report;
  } catch {
    throw new Error('lvs gave no JSON');
  }
  const rows = Array.isArray(report) ? report.flatMap((part: { lv?: unknown }) => (Array.isArray(part?.lv) ? part.lv : [])) : [];
  for (const row of rows)
    for (const field of fields) if (typeof (row as Partial<Row>)[field] !== 'string') throw new Error(`lvs said nothing of ${field}`);
  return rows as Row[];
}

const percent = (text: string): number | undefined => (text === '' ? undefined : Number(text));

/** Thin volumes and their snapshots take their room from a pool. */
export const isThin = ({ attributes, pool }: LogicalVolume): boolean => attributes.startsWith('V') && pool !== '';

/** Why an image cannot be trusted any more; undefined while it can. */
export function faultOf(image: LogicalVolume): string | undefined {
  const state = image.attributes[4];
  const health = image.attributes[8];
  if (image.invalid || state === 'I' || state === 'S') return 'it overflowed';
  if (!isThin(image) && image.full !== undefined && image.full >= 100) return 'it is full';
  if (state !== 'a' && state !== 's') return `its state is "${state}"`;
  if (health === 'F') return 'its pool failed';
  if (health === 'p') return 'a disk below it is missing';
  return undefined;
}
