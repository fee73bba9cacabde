// What the agent has, what a file asks for, and the step between them.
import type { Client } from '../../rpc/client.ts';
import type { Plan } from '../../rpc/schemas-plans.ts';
import type { Pool } from '../../rpc/schemas-pools.ts';
import type { Vault } from '../../rpc/schemas-vaults.ts';
import type { Rules } from '../standalone.ts';

/** What the agent has. */
export interface Known {
  readonly pools: readonly Pool[];
  readonly vaults: readonly Vault[];
  readonly plans: readonly Plan[];
}

export interface Step {
  readonly kind: 'pool' | 'vault' | 'plan';
  readonly name: string;
  readonly action: 'created' | 'changed' | 'unchanged';
  /** Names of what differs. */
  readonly changes: readonly string[];
  /** Answers a remark for the person, if there is one. */
  readonly run: (client: Client) => Promise<string | undefined>;
}

export interface Circumstances {
  readonly known: Known;
  readonly rules: Rules;
  /** Secrets of what is there already are read and sent again, too. */
  readonly renewSecrets: boolean;
}

/** What `changes` changes. */
export const namesOf = (changes: object): readonly string[] => Object.keys(changes);

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
