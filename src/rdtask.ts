// One task: started by rdagent, told what to do on descriptor 3, dies alone.
import { taskHost } from './agent/task-host.ts';
import { serveTask } from './agent/task-side.ts';
import { layoutOf } from './config/layout.ts';

process.umask(0o077);
process.on('SIGINT', () => undefined); // Ctrl-C on the agent's terminal is the agent's business
process.exitCode = await serveTask(taskHost(layoutOf()));
process.exit();
