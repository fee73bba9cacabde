// The database's history: each entry is run once, in order, and never changed after a release. `user_version` counts them.
export const migrations: readonly string[] = [
  `
  CREATE TABLE identity (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

  CREATE TABLE pools (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, remark TEXT NOT NULL, place TEXT NOT NULL, credentials TEXT,
    bandwidth INTEGER NOT NULL, state TEXT NOT NULL, state_detail TEXT NOT NULL, checked_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE vaults (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, pool_id TEXT NOT NULL REFERENCES pools (id),
    path TEXT NOT NULL, location TEXT NOT NULL, repository_id TEXT NOT NULL, password TEXT NOT NULL, state TEXT NOT NULL,
    state_detail TEXT NOT NULL, capacity_gb INTEGER NOT NULL, used_bytes INTEGER NOT NULL, keys TEXT NOT NULL, recovery_key_id TEXT,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    UNIQUE (pool_id, path)
  ) STRICT;

  CREATE TABLE plans (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, vault_id TEXT NOT NULL REFERENCES vaults (id),
    source TEXT NOT NULL, method TEXT NOT NULL, strategy TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE backups (
    id TEXT PRIMARY KEY, vault_id TEXT NOT NULL REFERENCES vaults (id) ON DELETE CASCADE, record TEXT, name TEXT NOT NULL,
    description TEXT NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL, plan_id TEXT, plan_name TEXT, source TEXT, consistency TEXT,
    full INTEGER NOT NULL, warnings INTEGER NOT NULL, hostname TEXT NOT NULL, username TEXT NOT NULL, paths TEXT NOT NULL,
    tags TEXT NOT NULL, tree TEXT, parent TEXT, time INTEGER NOT NULL, ended_at INTEGER, size_bytes INTEGER NOT NULL,
    added_bytes INTEGER NOT NULL, summary TEXT, task_id TEXT
  ) STRICT;
  CREATE INDEX backups_by_vault ON backups (vault_id, time);
  CREATE INDEX backups_by_plan ON backups (plan_id, time);
  CREATE INDEX backups_by_time ON backups (time);

  CREATE TABLE tasks (
    id TEXT PRIMARY KEY, type TEXT NOT NULL, state TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL, pool_id TEXT, vault_id TEXT,
    plan_id TEXT, backup_id TEXT, created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, progress TEXT,
    warning_count INTEGER NOT NULL, warnings TEXT NOT NULL, problem TEXT, result TEXT
  ) STRICT;
  CREATE INDEX tasks_by_time ON tasks (created_at);
  CREATE INDEX tasks_by_state ON tasks (state);

  CREATE TABLE locks (
    vault_id TEXT NOT NULL, name TEXT NOT NULL, task_id TEXT NOT NULL, boot_id TEXT NOT NULL, created_at INTEGER NOT NULL,
    PRIMARY KEY (vault_id, name)
  ) STRICT;

  CREATE TABLE idempotency (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT, created_at INTEGER NOT NULL
  ) STRICT;
  `,
  `
  ALTER TABLE plans ADD COLUMN consistency TEXT NOT NULL
    DEFAULT '{"freeze":false,"otherwise":"fall-back","allowInconsistent":false,"freezeLimit":60}';
  ALTER TABLE backups ADD COLUMN consistency_reason TEXT;
  `,
  `
  ALTER TABLE plans ADD COLUMN secret TEXT;
  ALTER TABLE backups ADD COLUMN method TEXT;

  CREATE TABLE instances (
    id TEXT PRIMARY KEY, engine TEXT NOT NULL, directory TEXT NOT NULL, port INTEGER NOT NULL, connect TEXT NOT NULL, backup_id TEXT,
    created_at INTEGER NOT NULL
  ) STRICT;
  `,
];
