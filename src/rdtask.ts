// One task: started by rdagent, told what to do on descriptor 3, dies alone. rdtask images: takes the images for one that may
// only read. rdtask hooks: runs the commands of a plan around its backup.
import { imagesOf, taskHost } from './agent/task-host.ts';
import { serveTask } from './agent/task-side.ts';
import { layoutOf } from './config/layout.ts';

process.umask(0o077);
process.on('SIGINT', () => undefined); // Ctrl-C on the agent's terminal is the agent's business
const layout = layoutOf();
if (process.argv[2] === 'images') {
  const { serveImages } = await import('./agent/images-side.ts');
  process.exitCode = await serveImages(imagesOf(layout));
} else if (process.argv[2] === 'hooks') {
  const { serveHooks } = await import('./agent/hooks-side.ts');
  process.exitCode = await serveHooks();
} else {
  process.exitCode = await serveTask(taskHost(layout));
}
process.exit();
