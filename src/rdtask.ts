// One task: started by rdagent, told what to do on descriptor 3, dies alone.
import { serveTask } from './agent/task-side.ts';

process.umask(0o077);
process.on('SIGINT', () => undefined); // Ctrl-C on the agent's terminal is the agent's business
const own = (process.env['STILLPOINT_OWN'] ?? '').split(':').filter(Boolean);
process.exitCode = await serveTask(own);
process.exit();
