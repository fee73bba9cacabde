// What starts rdprovider and rdagent, watches them, and starts them again: in the foreground, until SIGTERM, SIGINT or SIGHUP. AGENT_USER: who
// rdagent runs as. AGENT_CHECK_SECONDS: how often they are asked, and how long an answer may take.
import { fileURLToPath } from 'node:url';
import packageFile from '../package.json' with { type: 'json' };
import { asStillpointError } from './base/errors.ts';
import { systemClock } from './base/system-clock.ts';
import { layoutOf, makeLayout } from './config/layout.ts';
import { systemTimers } from './engine/freeze-timers.ts';
import { startChild } from './monitor/child.ts';
import { keptEnvironment } from './monitor/environment.ts';
import { monitor } from './monitor/monitor.ts';
import { servicesOf } from './monitor/services.ts';
import { timesOf } from './monitor/times.ts';
import { makeFolders } from './provider/folders.ts';
import { prefixFor, userNamed } from './provider/user.ts';

if (process.argv.includes('--version')) {
  console.log(packageFile.version);
  process.exit(0);
}

process.umask(0o027);
const stop = new AbortController();
const hurry = new AbortController();
/** npm passes on what the terminal has sent already (ms). */
const sameSignal = 1000;
let stoppedAt = 0;
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted && performance.now() - stoppedAt > sameSignal) hurry.abort();
    else if (!stop.signal.aborted) stoppedAt = performance.now();
    stop.abort();
  });
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { AGENT_USER: name } = process.env;
try {
  const layout = layoutOf();
  const user = name && process.getuid?.() === 0 ? userNamed(name) : undefined;
  if (user) makeFolders(layout, user);
  else makeLayout(layout);
  const services = servicesOf(layout, {
    provider: [process.execPath, '--max-semi-space-size=1', '--disable-warning=ExperimentalWarning', here('./rdprovider.ts')],
    agent: [...(user ? prefixFor('own', user) : []), here('../scripts/rdagent')],
    // What programs keep in a user's home has no other place: the user of an installation has none of his own.
    agentEnv: user ? { HOME: layout.tmp } : {},
  });
  const start = ({ command, env }: (typeof services)[number]) => startChild(command, { ...keptEnvironment(process.env), ...env });
  const orders = { stop: stop.signal, hurry: hurry.signal };
  await monitor({ layout, services, times: timesOf(process.env), clock: systemClock, timers: systemTimers, start }, orders);
  process.exit(0);
} catch (error) {
  const { message, hint, exit } = asStillpointError(error);
  console.error(`error: ${message}\nhint: ${hint}`);
  process.exit(exit);
}
