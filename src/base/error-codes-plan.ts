// Errors of policies, schedules, retention, vault rules, alarms and the audit trail.
import { type ErrorEntry, entry } from './error-entry.ts';

export const planErrors = {
  SCHEDULE_INVALID: entry(
    'usage',
    'invalid schedule {schedule}: {detail}',
    'See agentcli policy create --help for what a schedule may be.',
  ),
  TIME_ZONE_UNKNOWN: entry('usage', 'there is no time zone {zone}', 'Give an IANA name, for example UTC or Europe/Berlin.'),
  RETENTION_INVALID: entry(
    'usage',
    'invalid retention {retention}: {detail}',
    'Give 2 to 99999 days (99999: for ever), 1, 3, 6 or 12 months, 2 to 99999 backups, permanent, or a scheme of days, weeks, months and years.',
  ),
  WINDOW_INVALID: entry('usage', 'invalid backup window {window}: {detail}', 'Give two times of day, for example 22:00-06:00.'),
  QUOTA_EXCEEDED: entry('refused', 'there are {count} {what} already, and no more are allowed', 'Delete or change one that is not needed.'),
  PLAN_NOT_SCHEDULED: entry(
    'refused',
    'the plan {plan} runs only when told to: there is nothing to {action}',
    'Give it a timer or a policy with agentcli plan update, or apply a policy to its vault.',
  ),
  PLAN_DISSOCIATED: entry(
    'refused',
    'the plan {plan} is not associated with a vault',
    'Associate it with agentcli vault associate VAULT PLAN.',
  ),
  WINDOW_ENDED: entry(
    'failed',
    'the backup window of the plan {plan} ended at {end} while it ran',
    'What was stored is kept: the next run goes on from there. Widen the window if it is never enough.',
    'later',
  ),
  PRUNE_UNCONFIRMED: entry(
    'usage',
    '{what} needs each name to be typed, and there is no terminal to ask',
    'Give --prune-name NAME for each; nothing was done.',
  ),
  HOOK_FAILED: entry(
    'failed',
    'the {when} command {name} failed: {detail}',
    'See what it says in log/rdtask.log; it is defined in /etc/stillpoint/allow.yaml.',
    'later',
  ),
  RESOURCE_TAKEN: entry(
    'refused',
    '{resource} is protected in the vault {vault} already (plan {plan})',
    'A resource belongs to one vault only: use that vault, or dissociate it there first.',
  ),
  VAULT_TYPE: entry(
    'refused',
    'the vault {vault} is for {type} backups, not for {source}',
    'Choose another vault, or create one of that type.',
  ),
  VAULT_SPEC: entry(
    'refused',
    'the vault {vault} is for backups without application consistency',
    'Change it (once and for all) with agentcli vault update VAULT --spec application-consistent.',
  ),
  VAULT_SPEC_FINAL: entry(
    'refused',
    'the vault {vault} is application-consistent and stays so',
    'A specification changes from server to application-consistent only. Create another vault.',
  ),
  VAULT_TOO_SMALL: entry(
    'refused',
    'what is associated with the vault {vault} is {size} GB, more than its capacity of {capacity} GB',
    'Expand it with agentcli vault expand.',
  ),
  GATEWAY_ADDRESS: entry(
    'usage',
    'the gateway address {address} is unusable: {detail}',
    'Give an IPv4 or IPv6 address that this host has.',
  ),
  CLOCK_DOUBTED: entry(
    'refused',
    'the clock of this host cannot be trusted: {detail}',
    'Nothing is expired until it can. Set the clock; if it is right, it is believed after a day or as soon as the pool agrees.',
    'later',
  ),
  UNDELETE_LATE: entry(
    'refused',
    'the backup {backup} cannot be brought back: {detail}',
    'See agentcli backup list --state deleting for those that can.',
  ),
  ALARM_SINK: entry(
    'failed',
    'the alarm receiver {sink} did not take an alarm: {detail}',
    'Try it with agentcli alarm test; mend it with agentcli alarm sink.',
    'later',
  ),
  AUDIT_BROKEN: entry(
    'damaged',
    'the audit trail is not whole: {detail}',
    'Somebody changed it, or a disk did. Keep data/agent.db as it is and look who had access.',
  ),
  POOL_NO_OBJECT_LOCK: entry(
    'refused',
    'the bucket of {location} cannot lock objects: {detail}',
    'Object Lock must be switched on when a bucket is created; let pool bind --create --object-lock make one.',
  ),
  VAULT_IMMUTABLE: entry(
    'refused',
    'the vault {vault} is immutable until {until}: {detail}',
    'That is what it is for. What is older goes by itself when its time has come.',
  ),
  STATE_LOST: entry(
    'damaged',
    "the agent's database {path} is damaged or gone, and there is no copy of the settings",
    'Move data/agent.db and data/agent.keep away and start the agent; then bind the pools and attach the vaults with their recovery keys: backups are safe.',
  ),
} as const satisfies Readonly<Record<string, ErrorEntry>>;
