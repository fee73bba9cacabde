// Stands in for rdtask: speaks the protocol of model/task.ts and does what the spec's paths ask for, without any repository.
import { randomBytes } from 'node:crypto';
import { appendFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { RecordInfo, TaskEvent, TaskOrder, TaskResult, TaskSpec } from '../../src/model/task.ts';

const orders = createInterface({ input: new Socket({ fd: 3 }) })[Symbol.asyncIterator]();
const events = new Socket({ fd: 4 });
const say = (event: TaskEvent) => new Promise<void>((resolve) => events.write(`${JSON.stringify(event)}\n`, () => resolve()));
const hex = (bytes: number) => randomBytes(bytes).toString('hex');
/** What it did, for the test to read. */
const note = (text: string) => appendFileSync(`${process.env['AGENT_HOME']}/fake-notes`, `${text}\n`);

async function nextOrder(): Promise<TaskOrder | undefined> {
  const { value, done } = await orders.next();
  return done ? undefined : (JSON.parse(value) as TaskOrder);
}

async function finish(event: TaskEvent): Promise<never> {
  await say(event);
  process.exit(event.type === 'done' ? 0 : 1);
}

const done = (result: Partial<TaskResult>) => finish({ type: 'done', result: { warnings: 0, ...result } });
const problem = (code: 'TASK_CANCELLED' | 'REPO_DAMAGED' | 'REPO_WRONG_KEY', detail: string) =>
  ({ type: 'failed', problem: { code, detail, hint: 'mend it', retry: 'never', exit: 8 } }) as const;

async function writeLock(): Promise<string> {
  const name = hex(32);
  await say({ type: 'lock-write', name, seq: 1 });
  const answer = await nextOrder();
  if (answer?.type !== 'ack' || answer.seq !== 1) throw new Error('no acknowledgement');
  note(`lock ${name}`);
  return name;
}

function recordOf(spec: Extract<TaskSpec, { type: 'backup' }>): RecordInfo {
  const { tags } = spec;
  const rawTags = Object.entries(tags).map(([key, value]) => `${key}=${value}`);
  const paths = 'paths' in spec.source ? spec.source.paths : ['/stream'];
  const parent = spec.parent ? { parent: spec.parent } : {};
  return { id: hex(32), time: Date.now(), hostname: spec.hostname, username: 'root', paths, tree: hex(32), tags, rawTags, ...parent };
}

async function backup(spec: Extract<TaskSpec, { type: 'backup' }>): Promise<void> {
  const wish = spec.source.kind === 'command' ? (spec.source.shell ?? '') : '';
  const lock = await writeLock();
  await say({ type: 'progress', progress: { bytesDone: 10, bytesTotal: 100, filesDone: 1, filesTotal: 2, current: '/a' } });
  if (wish === 'die') process.kill(process.pid, 'SIGKILL');
  if (wish === 'hang') {
    for (let order = await nextOrder(); order; order = await nextOrder()) if (order.type === 'cancel') break;
    await say({ type: 'lock-removed', name: lock });
    await finish(problem('TASK_CANCELLED', 'the task was cancelled'));
  }
  if (wish === 'slow') await new Promise((resolve) => setTimeout(resolve, 700));
  if (wish === 'warn') await say({ type: 'warning', warning: { item: '/a', detail: 'it vanished' } });
  await say({ type: 'lock-removed', name: lock });
  const storedBytes = wish === 'fill' ? 10 * 2 ** 30 + 1 : 1234;
  await done({ record: recordOf(spec), storedBytes, warnings: wish === 'warn' ? 1 : 0 });
}

const order = await nextOrder();
if (order?.type !== 'spec') throw new Error('the first order is no spec');
const { spec } = order;
const keys = [
  { id: 'a'.repeat(64), created: 1, hostname: 'h', username: 'u', current: true },
  { id: 'b'.repeat(64), created: 1, hostname: 'h', username: 'u', current: false },
];
switch (spec.type) {
  case 'probe': {
    const { place } = spec.pool;
    const may = place.type === 'local' ? !place.path.includes('no-delete') : place.caPem !== 'a stranger';
    await done({
      probe: {
        steps: [
          { right: 'put', ok: true },
          { right: 'delete', ok: may },
        ],
        ...(spec.pool.id === undefined ? {} : { poolId: spec.pool.id }),
      },
    });
    break;
  }
  case 'vault-create':
    note(`password ${spec.vault.password}`);
    await done({ repositoryId: 'c'.repeat(64), keys });
    break;
  case 'vault-attach':
    if (spec.vault.password === 'wrong') await finish(problem('REPO_WRONG_KEY', 'the key does not open it'));
    await say({ type: 'warning', warning: { item: '/vault', detail: 'the host other is working in it now' } });
    await done({ repositoryId: 'c'.repeat(64), keys });
    break;
  case 'vault-scan':
    await done({ records: [], storedBytes: 5 });
    break;
  case 'vault-unlock':
    note(`unlock ${spec.ownLocks.join(',')}`);
    await done({ locks: spec.ownLocks });
    break;
  case 'backup':
    await backup(spec);
    break;
  case 'ls':
  case 'cat':
    writeSync(1, '{"path":"/one"}\n');
    if (spec.path === '/broken') await finish(problem('REPO_DAMAGED', 'block x is damaged'));
    if (spec.path === '/at-once') await finish(problem('REPO_DAMAGED', 'block x is damaged'));
    writeSync(1, '{"path":"/two"}\n');
    await done({});
    break;
  case 'keys':
    await done({ keys });
    break;
  default:
    await done({});
}
