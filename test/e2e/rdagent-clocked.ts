// The real rdagent, by the clock of the test, with a pulse so quick that the test need not wait for it.
import '../beds/set-clock.ts';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const { startDaemon } = await import('../../src/agent/daemon.ts');
const { layoutOf } = await import('../../src/config/layout.ts');
const { starterFor } = await import('../../src/host/starter.ts');

const layout = layoutOf();
// By the host's own clock, which is what TLS looks at.
const makeCertificates = () => {
  const entry = fileURLToPath(new URL('../../src/rdagent.ts', import.meta.url));
  execFileSync(process.execPath, [entry, '--make-certificates'], { stdio: ['ignore', 'ignore', 'inherit'] });
};
const start = starterFor(layout, fileURLToPath(new URL('./rdtask-clocked.ts', import.meta.url)));
// The host runs on while the agent is off.
const clock = { now: () => Date.now(), boottime: () => Date.now() };
const daemon = await startDaemon({ layout, version: 'clocked', start, makeCertificates, clock, beat: 15 });
process.on('SIGTERM', () => void daemon.stop().then(() => process.exit(0)));
