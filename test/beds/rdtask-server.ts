// The real rdtask on a host whose disks are those in $AGENT_HOME/disks-of-host.json; without that file, the real ones.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { taskHost } from '../../src/agent/task-host.ts';
import { serveTask } from '../../src/agent/task-side.ts';
import type { HostDisks } from '../../src/base/host-disks.ts';
import { layoutOf } from '../../src/config/layout.ts';

const list = join(process.env['AGENT_HOME']!, 'disks-of-host.json');
const findDisks = () => JSON.parse(readFileSync(list, 'utf8')) as HostDisks;

process.exitCode = await serveTask(taskHost(layoutOf()), existsSync(list) ? { findDisks } : {});
process.exit();
