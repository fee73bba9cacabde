// From a request and its answer to what the audit trail keeps of it: names and IDs, never values, so that no secret gets in.
import type { Trace as Done } from '../model/trace.ts';
import type { Caller } from './handlers.ts';
import type { Trace } from './route.ts';

export interface RequestParts {
  readonly params?: unknown;
  readonly body?: unknown;
}

/** A refused request tells its error's code only: what was wrong with it may be what nobody should read. */
export type Outcome = { readonly body: unknown } | { readonly code: string };

type Fields = Readonly<Record<string, unknown>>;

/** Fields of a request that name other things. */
const references = ['plan', 'vault', 'pool', 'policy'];
const longest = 256;

export function auditedOf({ name, resource }: Trace, request: RequestParts, caller: Caller, outcome: Outcome): Done {
  const { id: typed, ...more } = fieldsOf(request.params);
  const sent = fieldsOf(request.body);
  const answer = 'body' in outcome ? fieldsOf(outcome.body) : {};
  const own = ownOf(resource, answer);
  // Of an operation on a part of a thing (a key of a vault) the answer tells the part.
  const whole = Object.keys(more).length > 0 ? text(typed) : '';
  const changed = 'body' in outcome && typed !== undefined ? Object.keys(sent).sort() : [];
  const details = [
    ...Object.entries(more).map(([key, value]) => `${key} ${text(value)}`),
    ...references.filter((key) => text(sent[key]) !== '').map((key) => `${key} ${text(sent[key])}`),
    changed.length > 0 ? `with ${changed.join(', ')}` : '',
    resource !== 'task' && taskOf(answer) ? `task ${taskOf(answer)}` : '',
  ];
  return {
    actor: caller.name,
    address: caller.address,
    trace: name,
    resourceType: resource,
    resourceId: whole || text(own.id) || text(typed),
    resourceName: whole ? '' : text(own.name) || (typed === undefined ? text(sent['name']) : ''),
    ...('code' in outcome ? { result: 'failed', code: outcome.code } : { result: 'ok' }),
    detail: details.filter((detail) => detail !== '').join('; '),
  };
}

/** `{ pool: { id, name } }`, `{ vaultId, vaultName }` of a task, or the answer itself. */
function ownOf(resource: string, answer: Fields): { readonly id?: unknown; readonly name?: unknown } {
  const inner = fieldsOf(answer[resource]);
  if (inner['id'] !== undefined) return inner;
  if (resource === 'task' || !isTask(answer)) return answer;
  return { id: answer[`${resource}Id`], name: answer[`${resource}Name`] ?? (resource === 'backup' ? answer['name'] : undefined) };
}

const isTask = (answer: Fields): boolean => 'warningCount' in answer && 'createdAt' in answer;

function taskOf(answer: Fields): string {
  return text(isTask(answer) ? answer['id'] : fieldsOf(answer['task'])['id']);
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

const text = (value: unknown): string => (typeof value === 'string' ? value.slice(0, longest) : '');
