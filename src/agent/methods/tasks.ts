import type { Handlers } from '../../rpc/handlers.ts';
import type { TaskStreamEvent } from '../../rpc/schemas.ts';
import { equals } from '../../state/table.ts';
import type { AgentContext } from '../context.ts';
import type { LiveEvent } from '../live-task.ts';
import { pageOptions } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';
import { taskView } from '../views.ts';

type Methods = Pick<Handlers, 'taskList' | 'taskShow' | 'taskCancel' | 'taskEvents'>;

/** Progress that a slow reader has not taken yet is replaced by newer; more than this many warnings are not kept for him. */
const keptEvents = 1000;

export function taskMethods({ state }: AgentContext, desk: TaskDesk): Methods {
  const view = (id: string) => taskView(state, state.tasks.find(id), desk.live(id));

  async function* follow(id: string, signal: AbortSignal): AsyncGenerator<TaskStreamEvent> {
    const live = desk.live(id);
    const waiting: LiveEvent[] = [];
    let wake: () => void = () => undefined;
    const stop = live?.listen((event) => {
      const last = waiting.at(-1);
      if (event.type === 'progress' && last?.type === 'progress') waiting.pop();
      if (waiting.length < keptEvents || event.type === 'ended') waiting.push(event);
      wake();
    });
    signal.addEventListener('abort', () => wake());
    try {
      yield { type: 'state', task: view(id) };
      let ended = live === undefined;
      while (!ended && !signal.aborted) {
        for (const event of waiting.splice(0)) {
          if (event.type === 'ended') ended = true;
          else yield event;
        }
        if (ended || signal.aborted || waiting.length > 0) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const task = view(id);
      yield { type: task.state === 'done' || task.state === 'warnings' ? 'done' : 'failed', task };
    } finally {
      stop?.();
    }
  }

  return {
    taskList({ query }) {
      const page = state.tasks.page(
        pageOptions(query, 'created_at', [
          query.state === undefined ? undefined : equals('state', query.state),
          query.type === undefined ? undefined : equals('type', query.type),
          query.vault === undefined ? undefined : equals('vault_id', state.vaults.find(query.vault).id),
          query.plan === undefined ? undefined : equals('plan_id', state.plans.find(query.plan).id),
          query.backup === undefined ? undefined : equals('backup_id', state.backups.find(query.backup).id),
        ]),
      );
      return { ...page, items: page.items.map((row) => taskView(state, row, desk.live(row.id))) };
    },
    taskShow: ({ params }) => view(state.tasks.find(params.id).id),
    taskCancel({ params }) {
      const { id } = state.tasks.find(params.id);
      desk.cancel(id);
      return view(id);
    },
    taskEvents: ({ params }, { signal }) => follow(state.tasks.find(params.id).id, signal),
  };
}
