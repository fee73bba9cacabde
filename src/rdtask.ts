// One task: started by rdagent, told what to do on descriptor 3, dies alone.
import { serveTask } from './agent/task-side.ts';
import { layoutOf } from './config/layout.ts';

process.umask(0o077);
process.on('SIGINT', () => undefined); // Ctrl-C on the agent's terminal is the agent's business
// What the agent itself writes while a task runs: a copy of it would be torn, and a restore over it would pull the floor away.
const { data, tmp, run } = layoutOf();
process.exitCode = await serveTask([data, tmp, run]);
process.exit();
