// Names of the lock files that our tasks wrote. Only names found here are ever removed from a vault.
import type { Database } from './database.ts';

export interface LockRow {
  readonly vaultId: string;
  readonly name: string;
  readonly taskId: string;
  /** Of the boot during which it was written. */
  readonly bootId: string;
  readonly createdAt: number;
}

export interface LockTable {
  /** Durable when it returns: the file may be written now. */
  add(lock: LockRow): void;
  remove(vaultId: string, name: string): void;
  ofTask(taskId: string): LockRow[];
  all(): LockRow[];
}

export function createLockTable(database: Database): LockTable {
  const columns = 'vault_id AS vaultId, name, task_id AS taskId, boot_id AS bootId, created_at AS createdAt';
  return {
    add(lock) {
      database.run(
        'INSERT OR REPLACE INTO locks (vault_id, name, task_id, boot_id, created_at) VALUES (:vaultId, :name, :taskId, :bootId, :createdAt)',
        {
          ...lock,
        },
      );
    },
    remove(vaultId, name) {
      database.run('DELETE FROM locks WHERE vault_id = :vaultId AND name = :name', { vaultId, name });
    },
    ofTask: (taskId) => database.all(`SELECT ${columns} FROM locks WHERE task_id = :taskId`, { taskId }) as unknown as LockRow[],
    all: () => database.all(`SELECT ${columns} FROM locks ORDER BY created_at`) as unknown as LockRow[],
  };
}
