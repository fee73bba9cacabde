// A process that has something frozen and then waits for its end: told what by its arguments, tells "frozen PID" or what stood in the way.
import { startFreeze } from '../../src/agent/freezer.ts';
import type { FreezeRequest } from '../../src/model/freeze.ts';
import { startWith } from './freezer.ts';

const [request = '', env = ''] = process.argv.slice(2);
try {
  const frozen = await startFreeze(JSON.parse(request) as FreezeRequest, {
    start: startWith(JSON.parse(env) as Record<string, string>),
  });
  process.stdout.write(`frozen ${frozen.pid}\n`);
  setInterval(() => undefined, 60_000);
} catch (error) {
  process.stdout.write(`${String(error)}\n`);
}
