// Servers that were started from backups.
import { isAbsolute } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { AgentContext } from '../context.ts';
import { pageOptions } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';

type Methods = Pick<Handlers, 'instanceList' | 'instanceRemove'>;

export function instanceMethods({ state }: AgentContext, desk: TaskDesk): Methods {
  return {
    instanceList({ query }) {
      const page = state.instances.page(pageOptions(query, 'created_at', []));
      return { ...page, items: [...page.items] };
    },
    /** Resolves when the server has ended; its directory is gone then, unless it was to be kept. */
    async instanceRemove({ params, query }) {
      const byPlace = state.instances.where([]).find(({ directory }) => directory === params.id);
      // What `recover` has started is in no list: the directory itself says what it is.
      const instance = byPlace ?? (isAbsolute(params.id) ? { id: params.id, directory: params.id } : state.instances.find(params.id));
      const { id, directory } = instance;
      if (
        state.tasks.where([{ sql: "type = 'instance-end' AND name = :name AND ended_at IS NULL", values: { name: directory } }]).length > 0
      )
        fail('IN_USE', { what: 'instance', id: directory, users: 'a task that removes it' });
      await desk.answer({
        type: 'instance-end',
        name: directory,
        request: { type: 'attended' },
        spec: () => ({ type: 'instance-end', directory, keepData: query.keepData === true }),
      });
      state.instances.remove(id);
      return { id };
    },
  };
}
