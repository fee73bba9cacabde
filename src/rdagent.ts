// The agent's entry point: rdagent [--version | --make-certificates]. AGENT_HOME says where it lives; AGENT_TASK_SCRIPT replaces rdtask in tests.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import packageFile from '../package.json' with { type: 'json' };
import { type Daemon, startDaemon } from './agent/daemon.ts';
import { asStillpointError } from './base/errors.ts';
import { ensureCertificates } from './config/certificates.ts';
import { layoutOf } from './config/layout.ts';
import { starterFor } from './host/starter.ts';

if (process.argv.includes('--version')) {
  console.log(packageFile.version);
  process.exit(0);
}

process.umask(0o027);
const layout = layoutOf();
if (process.argv.includes('--make-certificates')) {
  await ensureCertificates(layout.certificates);
  process.exit(0);
}

const makeCertificates = () => {
  execFileSync(process.execPath, [fileURLToPath(import.meta.url), '--make-certificates'], { stdio: ['ignore', 'ignore', 'inherit'] });
};
const start = starterFor(layout, process.env['AGENT_TASK_SCRIPT']);

let daemon: Daemon | undefined;
try {
  daemon = await startDaemon({ layout, version: packageFile.version, start, makeCertificates });
} catch (error) {
  const { message, hint, exit } = asStillpointError(error);
  console.error(`error: ${message}\nhint: ${hint}`);
  process.exit(exit);
}

let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    // A second signal does not wait for tasks; they end with their pipe.
    if (stopping) process.exit(1);
    stopping = true;
    daemon.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}
