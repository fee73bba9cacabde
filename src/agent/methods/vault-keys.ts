// The keys of a vault's repository. A key that opens it is told once and kept nowhere.
import { fail, isCode } from '../../base/errors.ts';
import type { KeyInfo, TaskSpec } from '../../model/task.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { VaultRow } from '../../state/vaults.ts';
import { newRecoveryKey, vaultAccess } from '../access.ts';
import type { AgentContext } from '../context.ts';
import type { TaskDesk } from '../task-desk.ts';
import { keyView } from '../views.ts';
import { needState } from './vaults.ts';

type Methods = Pick<Handlers, 'vaultKeys' | 'vaultKeyAdd' | 'vaultKeyRemove' | 'vaultRecoveryKey'>;
type KeysSpec = Extract<TaskSpec, { type: 'keys' }>;
type KeyAction = KeysSpec extends infer S ? (S extends KeysSpec ? Omit<S, 'type' | 'vault'> : never) : never;

export function vaultKeyMethods(context: AgentContext, desk: TaskDesk): Methods {
  const { state } = context;
  const vaultOf = (reference: string) => needState(state.vaults.find(reference), ['available', 'locked']);

  async function keys(vault: VaultRow, action: KeyAction): Promise<readonly KeyInfo[]> {
    const result = await desk.answer({
      type: 'keys',
      name: vault.name,
      request: { type: 'attended' },
      spec: () => ({ type: 'keys', vault: vaultAccess(context, vault), ...action }) as KeysSpec,
      vaultId: vault.id,
    });
    return result.keys ?? [];
  }

  const list = (vault: VaultRow) => keys(vault, { action: 'list' });

  /** Answers the id of the key that was not there before. */
  async function add(vault: VaultRow, before: readonly KeyInfo[], password: string): Promise<string | null> {
    await keys(vault, { action: 'add', newPassword: password });
    const known = new Set(before.map((key) => key.id));
    return (await list(vault)).find((key) => !known.has(key.id))?.id ?? null;
  }

  /** Nobody can remove a key of an immutable vault before its time: the old one opens until then, and the new one must be told all the same. */
  async function isGone(vault: VaultRow, id: string): Promise<boolean> {
    try {
      await keys(vault, { action: 'remove', id });
      return true;
    } catch (error) {
      if (isCode(error, 'VAULT_IMMUTABLE')) return false;
      throw error;
    }
  }

  return {
    async vaultKeys({ params }) {
      const vault = vaultOf(params.id);
      return { items: (await list(vault)).map((key) => keyView(key, vault.recoveryKeyId)) };
    },

    async vaultKeyAdd({ params, body }) {
      const vault = vaultOf(params.id);
      const recoveryKey = body.password === undefined ? newRecoveryKey() : null;
      const keyId = await add(vault, await list(vault), recoveryKey ?? body.password ?? '');
      return { keyId, recoveryKey, removed: [] };
    },

    async vaultKeyRemove({ params }) {
      const vault = vaultOf(params.id);
      const matches = (await list(vault)).filter((key) => key.id.startsWith(params.key));
      if (matches.length > 1) fail('AMBIGUOUS_ID', { id: params.key, count: matches.length, what: 'key' });
      const key = matches[0] ?? fail('KEY_NOT_FOUND', { id: params.key });
      if (key.current) fail('REPO_LAST_KEY', { id: key.id });
      await keys(vault, { action: 'remove', id: key.id });
      if (vault.recoveryKeyId === key.id) state.vaults.update(vault.id, { recoveryKeyId: null });
      await list(vault);
      return { id: key.id };
    },

    /** The new key works before the old one goes, so that a failure in between never leaves the vault without one. */
    async vaultRecoveryKey({ params }) {
      const vault = vaultOf(params.id);
      const before = await list(vault);
      const others = before.filter((key) => !key.current);
      const old = vault.recoveryKeyId ?? (others.length === 1 ? others[0]?.id : undefined);
      const recoveryKey = newRecoveryKey();
      const keyId = await add(vault, before, recoveryKey);
      state.vaults.update(vault.id, { recoveryKeyId: keyId });
      const removed: string[] = [];
      if (old && before.some((key) => key.id === old) && (await isGone(vault, old))) removed.push(old);
      await list(vault);
      return { keyId, recoveryKey, removed };
    },
  };
}
