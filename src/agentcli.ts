// The command line's entry point.
import packageFile from '../package.json' with { type: 'json' };
import { main } from './cli/main.ts';

const interruption = new AbortController();
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(signal, () => {
    // The first one ends the waiting in good order, the second one ends everything.
    if (interruption.signal.aborted) process.exit(code);
    interruption.abort();
  });
}
// Who reads only the beginning (agentcli … | head) has got what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

process.exitCode = await main(process.argv.slice(2), packageFile.version, {
  environment: process.env,
  interrupted: interruption.signal,
  standalone: async () => {
    const [{ runStandalone }, { parseLocation }, { completeTarget }, { completeSource }, { bucketPlace }, names] = await Promise.all([
      import('./agent/run-standalone.ts'),
      import('./agent/locations.ts'),
      import('./agent/complete-target.ts'),
      import('./agent/complete-source.ts'),
      import('./agent/bucket-place.ts'),
      import('./agent/names.ts'),
    ]);
    const rules = { source: completeSource, bucket: bucketPlace, name: names.checkName, description: names.checkDescription };
    return { run: runStandalone, locate: parseLocation, target: completeTarget, rules };
  },
});
