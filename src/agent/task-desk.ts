// Takes tasks in, hands them to the queue, runs each in a process of its own and writes down how it ended.
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { asStillpointError, failure, isCode, type Problem, StillpointError } from '../base/errors.ts';
import { createTaskQueue } from '../engine/task-queue.ts';
import type { TaskResult, TaskSpec, TaskType } from '../model/task.ts';
import { newId } from '../state/state.ts';
import { oneOf } from '../state/table.ts';
import type { TaskRow, TaskStateName } from '../state/tasks.ts';
import type { AgentContext } from './context.ts';
import { createLiveTask, type LiveTask } from './live-task.ts';
import { applyOutcome, type Outcome, problemOf } from './outcomes.ts';
import { specOf } from './specs.ts';
import type { TaskEnd, TaskProcess } from './task-process.ts';
import type { TaskRequest } from './task-requests.ts';
import type { TaskRunner } from './task-runner.ts';
import { tellStart } from './tell-task.ts';

export interface NewTask {
  readonly type: TaskType;
  /** Of what it works on. */
  readonly name: string;
  readonly request: TaskRequest;
  /** For attended tasks: made when the task starts; may hold secrets. */
  readonly spec?: () => TaskSpec;
  readonly poolId?: string;
  readonly vaultId?: string;
  readonly planId?: string;
  readonly backupId?: string;
  readonly first?: boolean;
  /** A question that the agent asks by itself: its row does not stay where all is well. */
  readonly quiet?: boolean;
  readonly onOutput?: (output: Readable) => void;
}

export interface Ended {
  readonly task: TaskRow;
  /** Complete, while the stored one leaves out what the catalogue has. */
  readonly result?: TaskResult;
}

export interface TaskDesk {
  submit(task: NewTask): TaskRow;
  /** Resolves when it has ended, however it did. */
  ended(id: string): Promise<Ended>;
  /** Submits, waits, and throws what it failed with. */
  answer(task: NewTask): Promise<TaskResult>;
  /** `why`: what the task then failed with; that it was cancelled if not given. */
  cancel(id: string, why?: Problem): void;
  live(id: string): LiveTask | undefined;
  setBandwidth(poolId: string, bytesPerSecond: number): void;
  /** After a start: those that ran are told dead, those that waited are queued again. */
  recover(): void;
  /** Cancels what runs and waits for it; what waits stays in the database. */
  stop(): Promise<void>;
}

interface Work {
  readonly live: LiveTask;
  readonly ended: Promise<Ended>;
  readonly finish: (ended: Ended) => void;
  readonly task: NewTask | undefined;
  process?: TaskProcess;
  /** Why it was told to stop, if it was. */
  stopReason?: 'cancelled' | 'agent' | Problem;
}

/** Milliseconds between attempts to write down how a task ended. */
const settleEvery = 2000;

export function createTaskDesk(context: AgentContext, runner: TaskRunner, onEnded: (end: TaskEnd, task: TaskRow) => void): TaskDesk {
  const { state, clock, log, settings } = context;
  const works = new Map<string, Work>();
  let stopping = false;
  const queue = createTaskQueue({ atOnce: settings.tasksAtOnce, lightAtOnce: 4, run: (item) => run(item.id) });

  function enter(id: string, task?: NewTask): Work {
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const work: Work = { live: createLiveTask(clock), ended: promise, finish: resolve, task };
    works.set(id, work);
    return work;
  }

  async function run(id: string): Promise<void> {
    const work = works.get(id);
    const row = state.tasks.get(id);
    if (!work || !row) return;
    let end: TaskEnd;
    try {
      const spec = work.task?.spec ? work.task.spec() : specOf(context, row);
      state.tasks.update(id, { state: 'running', startedAt: clock.now() });
      log.info({ task: id, type: row.type, name: row.name }, 'task started');
      if (row.type === 'backup' && row.planId !== null) tellStart(context, row.planId, id);
      work.process = runner.start(row, spec, work.live, work.task?.onOutput);
      end = await work.process.ended;
    } catch (error) {
      end = { kind: 'failed', problem: asStillpointError(error).toProblem() };
    }
    await settle(id, end);
  }

  /** An end that cannot be written down (a full disk) is tried again; until then the task counts as running. Never rejects. */
  async function settle(id: string, end: TaskEnd): Promise<void> {
    for (; !stopping; await sleep(settleEvery))
      try {
        return close(id, end);
      } catch (error) {
        log.error({ task: id, err: error }, 'the end of a task could not be written down yet');
      }
    try {
      close(id, end);
    } catch {
      depart(id, end); // the next start tells it died
    }
  }

  function close(id: string, end: TaskEnd): void {
    const row = state.tasks.get(id);
    if (row) write(row, end, works.get(id));
    depart(id, end);
  }

  function depart(id: string, end: TaskEnd): void {
    const work = works.get(id);
    works.delete(id);
    const row = state.tasks.get(id);
    work?.live.end();
    if (row) work?.finish({ task: row, ...(end.kind === 'done' && { result: end.result }) });
    if (!row) return;
    if (work?.task?.quiet && row.state === 'done') state.tasks.remove(id);
    else log.info({ task: id, type: row.type, state: row.state, code: row.problem?.code }, 'task ended');
    onEnded(end, row);
  }

  function write(row: TaskRow, end: TaskEnd, work: Work | undefined): void {
    const problem = end.kind === 'done' ? problemOf(end.result) : problemOfEnd(end, work?.stopReason);
    const warningCount = Math.max(work?.live.warningCount ?? 0, end.kind === 'done' ? end.result.warnings : 0);
    const outcome: Outcome =
      end.kind === 'done' ? { result: end.result } : { problem: problem as Problem, cancelled: isCancelled(problem) };
    state.transaction(() => {
      state.tasks.update(row.id, {
        state: stateOf(end, problem, warningCount),
        endedAt: clock.now(),
        progress: work?.live.progress ?? row.progress,
        warnings: work?.live.warnings ?? row.warnings,
        warningCount,
        problem: problem ?? null,
        result: end.kind === 'done' ? withoutBulk(end.result) : null,
      });
      applyOutcome(context, row, outcome);
    });
  }

  const desk: TaskDesk = {
    submit(task) {
      if (stopping) throw failure('AGENT_STOPPING');
      const { type, name, request, poolId = null, vaultId = null, planId = null, backupId = null } = task;
      const id = newId();
      const blank = { startedAt: null, endedAt: null, progress: null, warningCount: 0, warnings: [], problem: null, result: null };
      const row: TaskRow = {
        ...blank,
        id,
        type,
        state: 'queued',
        name,
        request,
        poolId,
        vaultId,
        planId,
        backupId,
        createdAt: clock.now(),
      };
      state.tasks.insert(row);
      enter(id, task);
      queue.add({ id, type, vaultId }, { first: task.first ?? false });
      return state.tasks.get(id) ?? row;
    },
    async ended(id) {
      const work = works.get(id);
      return work ? work.ended : { task: state.tasks.find(id) };
    },
    async answer(task) {
      const { task: row, result } = await desk.ended(desk.submit(task).id);
      if (result && !row.problem) return result;
      throw new StillpointError(row.problem ?? failure('INTERNAL', { detail: 'the task ended without a result' }).toProblem());
    },
    cancel(id, why) {
      const work = works.get(id);
      if (!work) return;
      work.stopReason = why ?? 'cancelled';
      if (queue.withdraw(id)) void settle(id, { kind: 'failed', problem: why ?? failure('TASK_CANCELLED').toProblem() });
      else work.process?.cancel();
    },
    live: (id) => works.get(id)?.live,
    setBandwidth(poolId, bytesPerSecond) {
      for (const [id, work] of works) {
        const row = state.tasks.get(id);
        const pool = row?.poolId ?? (row?.vaultId ? state.vaults.get(row.vaultId)?.poolId : undefined);
        if (pool === poolId) work.process?.setBandwidth(bytesPerSecond);
      }
    },
    recover() {
      for (const row of state.tasks.where([oneOf('state', ['running'])], 'created_at')) {
        const problem = failure('TASK_DIED', { detail: 'the agent stopped while it ran' }).toProblem();
        close(row.id, { kind: 'died', problem });
      }
      for (const row of state.tasks.where([oneOf('state', ['queued'])], 'created_at, rowid')) {
        enter(row.id);
        queue.add({ id: row.id, type: row.type, vaultId: row.vaultId });
      }
    },
    async stop() {
      stopping = true;
      queue.stop();
      for (const item of queue.running) {
        const work = works.get(item.id);
        if (!work) continue;
        work.stopReason ??= 'agent';
        work.process?.cancel();
      }
      await queue.idle();
    },
  };
  return desk;
}

function problemOfEnd(end: Exclude<TaskEnd, { kind: 'done' }>, stopReason: Work['stopReason']): Problem {
  const stopped = end.kind === 'died' || end.problem.code === 'TASK_CANCELLED';
  if (stopReason === 'agent' && stopped) return failure('TASK_DIED', { detail: 'the agent was stopped while it ran' }).toProblem();
  if (typeof stopReason === 'object' && stopped) return stopReason;
  // A task that had to be killed because it did not listen was cancelled all the same.
  return stopReason === 'cancelled' && stopped ? failure('TASK_CANCELLED').toProblem() : end.problem;
}

function isCancelled(problem: Problem | undefined): boolean {
  return problem !== undefined && isCode(new StillpointError(problem), 'TASK_CANCELLED');
}

function stateOf(end: TaskEnd, problem: Problem | undefined, warnings: number): TaskStateName {
  if (end.kind === 'done') return problem ? 'failed' : warnings > 0 ? 'warnings' : 'done';
  if (isCancelled(problem)) return 'cancelled';
  return problem?.code === 'TASK_DIED' ? 'died' : end.kind;
}

/** Records are in the catalogue; the configuration was told to whoever attached. */
function withoutBulk(result: TaskResult): TaskResult {
  const { records: _records, agentConfig: _agentConfig, ...rest } = result;
  return rest;
}
