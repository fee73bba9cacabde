// The real rdtask, by the clock of the test.
import '../beds/set-clock.ts';
import type { Backend } from '../../src/ports/backend.ts';

const { taskHost } = await import('../../src/agent/task-host.ts');
const { serveTask } = await import('../../src/agent/task-side.ts');
const { layoutOf } = await import('../../src/config/layout.ts');
// The store's own clock would be the host's.
const wrapBackend = (backend: Backend): Backend => ({ ...backend, dateOf: async () => Date.now() });
process.exitCode = await serveTask(taskHost(layoutOf()), { wrapBackend });
process.exit();
