// A host with LVM as the programs tell of it: this machine has no device-mapper. Takes the argument lists that the agent would run, refuses those
// that LVM 2.03 would refuse, and answers with reports in the very form of `lvs --reportformat json`.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LvmHost } from '../../src/snapshots/lvm-host.ts';
import type { Mount } from '../../src/snapshots/mounts.ts';

export interface FakeVolume {
  readonly vg_name: string;
  readonly lv_name: string;
  lv_attr: string;
  lv_size: number;
  readonly origin?: string;
  readonly pool_lv?: string;
  data_percent?: string;
  metadata_percent?: string;
  lv_snapshot_invalid?: string;
  /** Minor number of 253. */
  readonly minor: number;
}

export interface FakeLvm extends LvmHost {
  readonly calls: string[][];
  readonly volumes: FakeVolume[];
  readonly mounted: Mount[];
  /** Bytes free in every group; extents are of 4 MiB. */
  free: number;
  /** Programs that fail from now on, with what they say. */
  readonly failing: Map<string, string>;
  /** Calls of one program, as text. */
  callsOf(program: string): string[];
}

const extent = 4 << 20;

export function fakeLvm(volumes: FakeVolume[], mounted: Mount[]): FakeLvm {
  const calls: string[][] = [];
  const failing = new Map<string, string>();
  const find = (path: string) =>
    volumes.findIndex(({ vg_name, lv_name }) => path === `${vg_name}/${lv_name}` || path === `/dev/${vg_name}/${lv_name}`);
  const programs: Readonly<Record<string, (args: readonly string[]) => string>> = {
    lvs: (args) => report(args.at(-1)!.split(',')),
    lvcreate(args) {
      const origin = volumes[find(args.at(-1)!)];
      const lv_name = args[args.indexOf('--name') + 1]!;
      if (!origin) throw new Error('Failed to find logical volume');
      if (find(`${origin.vg_name}/${lv_name}`) >= 0)
        throw new Error(`Logical Volume "${lv_name}" already exists in volume group "${origin.vg_name}"`);
      const thin = origin.lv_attr.startsWith('V');
      const extents = args.includes('--extents') ? Number(args[args.indexOf('--extents') + 1]) : undefined;
      if (thin !== (extents === undefined)) throw new Error('Please specify either size or extents with snapshots.');
      if ((extents ?? 0) * extent > host.free) throw new Error(`Volume group "${origin.vg_name}" has insufficient free space`);
      host.free -= (extents ?? 0) * extent;
      volumes.push({
        vg_name: origin.vg_name,
        lv_name,
        lv_attr: thin ? 'Vri-a-tz--' : 'sri-a-s---',
        lv_size: thin ? origin.lv_size : extents! * extent,
        origin: origin.lv_name,
        data_percent: thin ? '100.00' : '0.00',
        minor: 10 + volumes.length,
        ...(thin ? { pool_lv: origin.pool_lv! } : {}),
      });
      return `  Logical volume "${lv_name}" created.\n`;
    },
    lvextend(args) {
      const image = volumes[find(args.at(-1)!)];
      const extents = Number(/^\+(\d+)$/.exec(args[args.indexOf('--extents') + 1]!)?.[1]);
      if (!image || !(extents > 0)) throw new Error('Please specify a valid size.');
      if (extents * extent > host.free)
        throw new Error(`Insufficient free space: ${extents} extents needed, but only ${host.free / extent} available`);
      host.free -= extents * extent;
      const filled = Number(image.data_percent) * image.lv_size;
      image.lv_size += extents * extent;
      image.data_percent = (filled / image.lv_size).toFixed(2);
      return `  Logical volume ${args.at(-1)} successfully resized.\n`;
    },
    lvremove(args) {
      const at = find(args.at(-1)!);
      if (at < 0) throw new Error('Failed to find logical volume');
      if (mounted.some(({ source }) => find(source) === at)) throw new Error('Logical volume contains a filesystem in use.');
      volumes.splice(at, 1);
      return '';
    },
    mount(args) {
      const [source, point] = args.slice(-2);
      if (find(source!) < 0) throw new Error(`mount: ${point}: special device ${source} does not exist.`);
      mounted.push({
        device: `253:${volumes[find(source!)]!.minor}`,
        root: '/',
        point: point!,
        fileSystem: args[args.indexOf('--types') + 1]!,
        source: source!,
        writable: false,
      });
      return '';
    },
    umount(args) {
      const at = mounted.findIndex(({ point }) => point === args.at(-1));
      if (at < 0) throw new Error('not mounted.');
      mounted.splice(at, 1);
      return '';
    },
  };

  function report(fields: readonly string[]): string {
    const rows = volumes.map((volume) => {
      const row: Record<string, unknown> = {
        ...volume,
        lv_kernel_major: 253,
        lv_kernel_minor: volume.minor,
        vg_free: host.free,
        vg_extent_size: extent,
      };
      return `                  {${fields.map((field) => `"${field}":"${row[field] ?? ''}"`).join(', ')}}`;
    });
    return `  {\n      "report": [\n          {\n              "lv": [\n${rows.join(',\n')}\n              ]\n          }\n      ]\n  }\n`;
  }

  const host: FakeLvm = {
    calls,
    volumes,
    mounted,
    free: 10 * 2 ** 30,
    failing,
    callsOf: (program) => calls.filter(([name]) => name === program).map((call) => call.slice(1).join(' ')),
    run: async (program, args) => {
      calls.push([program, ...args]);
      const words = failing.get(program);
      if (words !== undefined) throw new Error(`${program}: ${words}`);
      const act = programs[program];
      if (!act) throw new Error(`${program} is not expected`);
      return act(args);
    },
    mounts: () => [...mounted],
    blockNumber: (path) => {
      const at = find(path);
      return at < 0 ? undefined : `253:${volumes[at]!.minor}`;
    },
    isLogical: (number) => number.startsWith('253:'),
    hasLvm: () => true,
  };
  return host;
}

const GiB = 2 ** 30;

export const thick = (lv_name: string, minor: number, lv_size = 10 * GiB): FakeVolume => ({
  vg_name: 'vg',
  lv_name,
  lv_attr: '-wi-ao----',
  lv_size,
  minor,
});

export const thin = (lv_name: string, minor: number): FakeVolume => ({
  vg_name: 'vg',
  lv_name,
  lv_attr: 'Vwi-aotz--',
  lv_size: 10 * GiB,
  pool_lv: 'pool',
  data_percent: '30.25',
  minor,
});

export const pool = (data_percent: string, metadata_percent = '10.00'): FakeVolume => ({
  vg_name: 'vg',
  lv_name: 'pool',
  lv_attr: 'twi-aotz--',
  lv_size: 50 * GiB,
  data_percent,
  metadata_percent,
  minor: 9,
});

/** A directory below `top` that the host takes for the mount point of a volume. */
export function mountedAt(host: FakeLvm, top: string, volume: FakeVolume, fileSystem: string, root = '/'): string {
  const point = join(top, volume.lv_name);
  mkdirSync(join(point, 'dir'), { recursive: true });
  host.volumes.push(volume);
  const device = fileSystem === 'btrfs' ? '0:50' : `253:${volume.minor}`;
  host.mounted.push({ device, root, point, fileSystem, source: `/dev/${volume.vg_name}/${volume.lv_name}`, writable: true });
  return point;
}
