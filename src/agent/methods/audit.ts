// The audit trail: looking at it, proving it, switching it.
import type { Handlers } from '../../rpc/handlers.ts';
import type { AuditEntry } from '../../rpc/schemas-audit.ts';
import type { AuditRow } from '../../state/audit.ts';
import { contains, equals, type Filter } from '../../state/table.ts';
import type { AgentContext } from '../context.ts';
import { pageOptions } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';

type Methods = Pick<Handlers, 'auditList' | 'auditVerify' | 'auditTracker'>;

export function auditMethods({ state, audit }: AgentContext, _desk: TaskDesk): Methods {
  return {
    auditList({ query }) {
      const { name, ...rest } = query;
      const page = state.audit.page(
        pageOptions(rest, 'at', [
          name === undefined ? undefined : contains('resource_name', name),
          query.actor === undefined ? undefined : equals('actor', query.actor),
          query.trace === undefined ? undefined : equals('trace', query.trace),
          query.resource === undefined ? undefined : about(query.resource),
          query.result === undefined ? undefined : equals('result', query.result),
        ]),
      );
      return { ...page, items: page.items.map(view) };
    },
    auditVerify: () => audit.verify(),
    auditTracker({ body }, { caller }) {
      if (body.on !== undefined) audit.setTracker(body.on, { actor: caller.name, address: caller.address });
      const [first] = state.audit.where([], 'seq', 1);
      return { on: audit.isOn(), entries: state.audit.count(), from: first?.at ?? null, to: state.audit.last()?.at ?? null };
    },
  };
}

const about = (text: string): Filter => ({
  sql: 'resource_type = :about OR resource_name = :about OR substr(resource_id, 1, :about_length) = :about',
  values: { about: text, about_length: text.length },
});

function view({ previous: _previous, hash: _hash, ...entry }: AuditRow): AuditEntry {
  return entry;
}
