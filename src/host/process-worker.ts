// A thread that asks systeminformation for the processes of this host. It starts programs with a command line that grows with their number,
// and where that becomes too long it throws where nobody can catch it: this thread may die of that, the agent may not.
import { parentPort } from 'node:worker_threads';
import { processes } from 'systeminformation';

parentPort?.on('message', () => void tell());

async function tell(): Promise<void> {
  const { list } = await processes();
  parentPort?.postMessage(list.map(({ pid, parentPid, cpuu, cpus, memRss }) => ({ pid, parentPid, cpuu, cpus, memRss })));
}
