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
  `
  CREATE TABLE policies (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, enabled INTEGER NOT NULL, rule TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;

  ALTER TABLE plans DROP COLUMN strategy;
  ALTER TABLE plans ADD COLUMN timing TEXT NOT NULL DEFAULT '{"kind":"vault"}';
  ALTER TABLE plans ADD COLUMN window TEXT;
  ALTER TABLE plans ADD COLUMN hooks TEXT NOT NULL DEFAULT '{"before":[],"after":[],"failure":[]}';
  ALTER TABLE plans ADD COLUMN limits TEXT NOT NULL DEFAULT '{"readBytesPerSecond":0,"cpuPercent":0}';
  ALTER TABLE plans ADD COLUMN retries INTEGER NOT NULL DEFAULT 2;
  ALTER TABLE plans ADD COLUMN spread_minutes INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE plans ADD COLUMN missed TEXT NOT NULL DEFAULT 'once';
  ALTER TABLE plans ADD COLUMN max_age_hours INTEGER;
  ALTER TABLE plans ADD COLUMN pause TEXT;
  ALTER TABLE plans ADD COLUMN heartbeat TEXT;
  ALTER TABLE plans ADD COLUMN associated INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE plans ADD COLUMN renew INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE plans ADD COLUMN accounted_until INTEGER NOT NULL DEFAULT 0;
  UPDATE plans SET accounted_until = unixepoch() * 1000;

  ALTER TABLE vaults ADD COLUMN type TEXT NOT NULL DEFAULT 'any';
  ALTER TABLE vaults ADD COLUMN protection TEXT NOT NULL DEFAULT 'backup';
  ALTER TABLE vaults ADD COLUMN spec TEXT NOT NULL DEFAULT 'application-consistent';
  ALTER TABLE vaults ADD COLUMN policy_id TEXT REFERENCES policies (id);
  ALTER TABLE vaults ADD COLUMN immutable_days INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE vaults ADD COLUMN care TEXT NOT NULL DEFAULT '{"checkedAt":0,"share":0,"readAt":0,"prunedAt":0,"triedAt":0}';

  CREATE INDEX backups_by_state ON backups (state, time);
  CREATE INDEX tasks_by_plan ON tasks (plan_id, type, created_at);
  ALTER TABLE backups ADD COLUMN keep TEXT;
  ALTER TABLE backups ADD COLUMN delete_at INTEGER;
  ALTER TABLE backups ADD COLUMN state_before TEXT;
  ALTER TABLE backups ADD COLUMN replica INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE gateways (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL UNIQUE, name TEXT NOT NULL, address TEXT, bandwidth INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE starts (
    id TEXT PRIMARY KEY, plan_id TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE, due INTEGER NOT NULL, outcome TEXT NOT NULL,
    reason TEXT NOT NULL, task_id TEXT, attempt INTEGER NOT NULL, retry_at INTEGER, at INTEGER NOT NULL, UNIQUE (plan_id, due)
  ) STRICT;
  CREATE INDEX starts_by_retry ON starts (retry_at) WHERE retry_at IS NOT NULL;

  CREATE TABLE events (
    id TEXT PRIMARY KEY, subject_kind TEXT NOT NULL, subject_id TEXT NOT NULL, subject_name TEXT NOT NULL, type TEXT NOT NULL,
    level TEXT NOT NULL, content TEXT NOT NULL, count INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX events_by_time ON events (last_at);
  CREATE INDEX events_by_subject ON events (subject_id, type, last_at);

  CREATE TABLE alarms (
    id TEXT PRIMARY KEY, subject_kind TEXT NOT NULL, subject_id TEXT NOT NULL, subject_name TEXT NOT NULL, type TEXT NOT NULL,
    level TEXT NOT NULL, content TEXT NOT NULL, count INTEGER NOT NULL, raised_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    cleared_at INTEGER, acked_at INTEGER, acked_by TEXT
  ) STRICT;
  CREATE UNIQUE INDEX alarms_standing ON alarms (subject_kind, subject_id, type) WHERE cleared_at IS NULL;
  CREATE INDEX alarms_by_time ON alarms (raised_at);

  CREATE TABLE alarm_rules (
    id TEXT PRIMARY KEY, plan_id TEXT NOT NULL REFERENCES plans (id) ON DELETE CASCADE, metric TEXT NOT NULL, threshold REAL NOT NULL,
    seconds INTEGER NOT NULL, level TEXT NOT NULL, created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE alarm_sinks (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, settings TEXT NOT NULL, secret TEXT, level TEXT NOT NULL,
    trouble TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE alarm_deliveries (
    id TEXT PRIMARY KEY, sink_id TEXT NOT NULL REFERENCES alarm_sinks (id) ON DELETE CASCADE, alert TEXT NOT NULL, attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL, created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX alarm_deliveries_by_time ON alarm_deliveries (next_at);

  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, actor TEXT NOT NULL, address TEXT NOT NULL, trace TEXT NOT NULL,
    resource_type TEXT NOT NULL, resource_id TEXT NOT NULL, resource_name TEXT NOT NULL, result TEXT NOT NULL, code TEXT, detail TEXT NOT NULL,
    previous TEXT NOT NULL, hash TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_by_time ON audit (at);

  CREATE TABLE samples (
    subject TEXT NOT NULL, metric TEXT NOT NULL, resolution INTEGER NOT NULL, at INTEGER NOT NULL, mean REAL NOT NULL, peak REAL NOT NULL,
    PRIMARY KEY (subject, metric, resolution, at)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  `,
];
