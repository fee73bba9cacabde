// What an entry of the audit trail is about: whole ID and name, whatever the caller typed.
import type { State } from '../state/state.ts';

export interface Resource {
  readonly resourceType: string;
  readonly resourceId: string;
  readonly resourceName: string;
}

interface Findable {
  find(reference: string): { readonly id: string; readonly name?: string | null };
}

/** Longer ones were typed by mistake. */
const longest = 256;

export function resourceOf(state: State, { resourceType, resourceId, resourceName }: Resource): Resource {
  const id = resourceId.slice(0, longest);
  const name = resourceName.slice(0, longest);
  if (id === '') return { resourceType, resourceId: id, resourceName: name };
  const found = find(tableOf(state, resourceType), id);
  if (found) return { resourceType, resourceId: found.id, resourceName: name || (found.name ?? '') };
  // What was deleted is known from its earlier entries.
  return { resourceType, resourceId: id, resourceName: name || state.audit.nameOf(id) };
}

function tableOf(state: State, type: string): Findable | undefined {
  const tables: Readonly<Record<string, Findable>> = {
    pool: state.pools,
    vault: state.vaults,
    plan: state.plans,
    policy: state.policies,
    backup: state.backups,
    task: state.tasks,
    gateway: state.gateways,
    instance: state.instances,
    'alarm-sink': state.alarming.sinks,
    'alarm-rule': state.alarming.rules,
  };
  return tables[type];
}

function find(table: Findable | undefined, id: string) {
  try {
    return table?.find(id);
  } catch {
    return undefined;
  }
}
