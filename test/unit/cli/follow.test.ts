import { describe, expect, it } from 'vitest';
import { failure } from '../../../src/base/errors.ts';
import { concludeTask, followTask } from '../../../src/cli/follow.ts';
import { openSession, type Session } from '../../../src/cli/session.ts';
import type { Client } from '../../../src/rpc/client.ts';
import type { Task, TaskStreamEvent } from '../../../src/rpc/schemas-tasks.ts';

const blank = {
  poolId: null,
  vaultId: null,
  vaultName: null,
  planId: null,
  planName: null,
  backupId: null,
  startedAt: null,
  endedAt: null,
};
const task = (state: Task['state'], more: Partial<Task> = {}): Task => ({
  ...blank,
  ...{
    id: '0123456789abcdef',
    type: 'backup',
    state,
    name: 'x',
    createdAt: 0,
    progress: null,
    warningCount: 0,
    warnings: [],
    problem: null,
    result: null,
    restore: null,
  },
  ...more,
});

/** Each entry is one connection: events, then an error if there is one. */
function sessionWith(connections: readonly (readonly (TaskStreamEvent | Error | 'interrupt')[])[]) {
  const interruption = new AbortController();
  const calls: string[] = [];
  let opened = 0;
  const client = {
    async *events(): AsyncGenerator<TaskStreamEvent> {
      for (const event of connections[opened++] ?? []) {
        if (event === 'interrupt') {
          interruption.abort();
          throw interruption.signal.reason;
        }
        if (event instanceof Error) throw event;
        yield event;
      }
    },
    call: async (name: string) => void calls.push(name),
  };
  const host = { environment: {}, interrupted: interruption.signal, standalone: () => Promise.reject(new Error('unused')) };
  const session: Session = { ...openSession(host, true), agent: async () => client as unknown as Client };
  return { session, calls, connections: () => opened };
}

const broken = () => failure('AGENT_UNREACHABLE', { address: 'x' });

describe('M8 waiting for a task', () => {
  it('M8 connects again when the agent was restarted meanwhile', async () => {
    const { session, connections } = sessionWith([
      [{ type: 'state', task: task('running') }, broken()],
      [
        { type: 'state', task: task('running') },
        { type: 'done', task: task('done') },
      ],
    ]);
    expect((await followTask(session, task('queued'))).state).toBe('done');
    expect(connections()).toBe(2);
  });

  it('M8 asks nothing of a task that has ended', async () => {
    const { session, connections } = sessionWith([]);
    expect((await followTask(session, task('warnings'))).state).toBe('warnings');
    expect(connections()).toBe(0);
  });

  it('M8 leaves the task alone when interrupted, or cancels it and waits for its end', async () => {
    const left = sessionWith([[{ type: 'state', task: task('running') }, 'interrupt']]);
    await expect(followTask(left.session, task('running'))).rejects.toMatchObject({ code: 'TASK_GOES_ON', exit: 130 });
    expect(left.calls).toEqual([]);
    const cancelled = sessionWith([['interrupt'], [{ type: 'failed', task: task('cancelled') }]]);
    expect((await followTask(cancelled.session, task('running'), { cancelOnInterrupt: true })).state).toBe('cancelled');
    expect(cancelled.calls).toEqual(['taskCancel']);
  });

  it('M8 passes on what is not a broken connection', async () => {
    const { session } = sessionWith([[failure('NOT_FOUND', { what: 'task', id: 'x' })]]);
    await expect(followTask(session, task('running'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('M8 ends with the exit code of the task', () => {
    const { session } = sessionWith([]);
    concludeTask(session, task('done'));
    expect(session.exitCode).toBe(0);
    concludeTask(session, task('warnings'));
    expect(session.exitCode).toBe(3);
    expect(() => concludeTask(session, task('cancelled'))).toThrow('cancelled');
    const problem = { ...failure('POOL_FULL', { location: '/x' }).toProblem(), type: '', title: '', status: 507 };
    expect(() => concludeTask(session, task('failed', { problem }))).toThrow('no space left in /x');
  });
});
