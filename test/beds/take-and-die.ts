// Takes a snapshot of the paths named and says so; then it is killed.
import { btrfsProvider } from '../../src/snapshots/btrfs.ts';
import { reflinkProvider } from '../../src/snapshots/reflink.ts';

const [provider, name, ...paths] = process.argv.slice(2);
const plan = await { btrfs: btrfsProvider, reflink: reflinkProvider }[provider as 'btrfs' | 'reflink']().plan(paths);
await plan!.take(name!);
process.stdout.write('taken\n');
setInterval(() => undefined, 1000);
