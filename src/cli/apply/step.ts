// What the agent has, what a file asks for, and the step between them.
import type { Client } from '../../rpc/client.ts';
import type { Gateway } from '../../rpc/schemas-gateway.ts';
import type { Plan } from '../../rpc/schemas-plans.ts';
import type { Policy } from '../../rpc/schemas-policies.ts';
import type { Pool } from '../../rpc/schemas-pools.ts';
import type { Task } from '../../rpc/schemas-tasks.ts';
import type { Vault } from '../../rpc/schemas-vaults.ts';
import type { Rules } from '../standalone.ts';
import type { Change } from './change.ts';

/** What the agent has. */
export interface Known {
  readonly gateway: Gateway | undefined;
  readonly pools: readonly Pool[];
  readonly policies: readonly Policy[];
  readonly vaults: readonly Vault[];
  readonly plans: readonly Plan[];
  /** Backups and restores under way; read where something may be removed. */
  readonly tasks: readonly Pick<Task, 'id' | 'type' | 'vaultId' | 'planId'>[];
}

export type Kind = 'gateway' | 'pool' | 'policy' | 'vault' | 'plan';

/** Takes a remark for the person. */
export type Tell = (remark: string) => void;

export interface Step {
  readonly kind: Kind;
  readonly name: string;
  readonly action: 'created' | 'changed' | 'unchanged' | 'removed';
  /** What differs. */
  readonly changes: readonly Change[];
  /** What cannot be removed once the step is taken: `vault main`. */
  readonly uses: readonly string[];
  readonly run: (client: Client, tell: Tell) => Promise<void>;
}

export interface Circumstances {
  readonly known: Known;
  readonly rules: Rules;
  /** Secrets of what is there already are read and sent again, too. */
  readonly renewSecrets: boolean;
}

/** Which of what the file and the agent have is meant: by name, by ID (of the agent's), or the only one there is. */
export function referred<T extends { readonly id: string; readonly name: string }>(
  reference: string | undefined,
  inFile: readonly string[],
  known: readonly T[],
): { readonly name: string } | 'none' | 'several' {
  const names = [...new Set([...inFile, ...known.map(({ name }) => name)])];
  if (reference === undefined) return names.length === 1 ? { name: names[0]! } : names.length === 0 ? 'none' : 'several';
  const name = names.find((one) => one === reference) ?? known.find(({ id }) => id === reference)?.name;
  return name === undefined ? 'none' : { name };
}
