// Takes a snapshot of the paths named and says so; then it is killed.
import type { SnapshotProvider } from '../../src/ports/snapshot.ts';
import { btrfsProvider } from '../../src/snapshots/btrfs.ts';
import { lvmProvider } from '../../src/snapshots/lvm.ts';
import { reflinkProvider } from '../../src/snapshots/reflink.ts';

const providers: Readonly<Record<string, () => Promise<SnapshotProvider>>> = {
  btrfs: async () => btrfsProvider(),
  reflink: async () => reflinkProvider(),
  lvm: async () => lvmProvider({ mountDirectory: (await import('./vm/volume-group.ts')).lvmImages }),
};

const [provider, name, ...paths] = process.argv.slice(2);
const plan = await (await providers[provider!]!()).plan(paths);
await plan!.take(name!);
process.stdout.write('taken\n');
setInterval(() => undefined, 1000);
