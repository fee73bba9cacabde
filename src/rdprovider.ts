// The root process that rdagent can talk to. AGENT_USER: who rdagent runs as.
import packageFile from '../package.json' with { type: 'json' };
import { asStillpointError } from './base/errors.ts';
import { layoutOf } from './config/layout.ts';
import { startProvider } from './provider/provider.ts';
import { userNamed } from './provider/user.ts';

process.umask(0o077);
const { AGENT_USER: name } = process.env;
// What it starts reaches rdfreeze through it, too.
process.env['AGENT_PROVIDER'] = '1';
try {
  const user = name && process.getuid?.() === 0 ? userNamed(name) : undefined;
  const provider = await startProvider({ layout: layoutOf(), version: packageFile.version, user });
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      provider.close();
      process.exit(0);
    });
} catch (error) {
  const { message, hint, exit } = asStillpointError(error);
  console.error(`error: ${message}\nhint: ${hint}`);
  process.exit(exit);
}
