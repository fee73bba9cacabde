// The part of the table of errors that belongs to freezing, databases and snapshots.
import { type ErrorEntry, entry } from './error-entry.ts';

export const freezeErrors = {
  FREEZE_BUSY: entry(
    'locked',
    'another freeze is under way on this host ({holder})',
    'Wait until it has thawed; the task may be run again.',
    'later',
  ),
  FREEZE_TOO_OFTEN: entry(
    'refused',
    '{count} freezes in the last hour; {limit} are allowed',
    'Wait, or raise freezesPerHour in conf/agent.yaml.',
    'later',
  ),
  FREEZE_FAILED: entry(
    'failed',
    '{name} could not be frozen: {detail}',
    'See log/thirdparty.log, then try agentcli freeze --dry-run.',
    'later',
  ),
  FREEZE_REFUSED: entry(
    'refused',
    '{name} must not be frozen: {detail}',
    'Leave it out, or take a backup that is not application-consistent.',
  ),
  FREEZE_FOREIGN: entry(
    'refused',
    '{name} is frozen by somebody else',
    'Find who froze it (another backup program?) and let that one thaw it.',
    'later',
  ),
  FREEZE_LOST: entry('failed', '{name} did not stay frozen: {detail}', 'See log/thirdparty.log for what thawed it.', 'later'),
  FREEZE_EXPIRED: entry(
    'failed',
    'the freeze ran into its limit of {seconds} s and was thawed',
    'Raise the limit of the plan, or find out why the snapshot takes so long.',
    'later',
  ),
  FREEZE_THAW_FAILED: entry(
    'failed',
    'cannot thaw {name}: {detail}',
    'It is tried again until it works; see log/thirdparty.log and thaw it by hand if users wait.',
    'now',
  ),
  FREEZE_DIED: entry(
    'failed',
    'the freezer ended ({detail}); what it held is thawed',
    'Look into log/rdagent.log; run the task again.',
    'later',
  ),

  SCRIPT_UNSAFE: entry(
    'refused',
    'the script {path} is not run: {detail}',
    'Only root (whoever runs the agent) may own or write it and the directories above it; it must be a regular file with a run bit.',
  ),
  SCRIPT_PAIR: entry(
    'refused',
    'the script {path} has no partner {partner}',
    'Freeze and unfreeze scripts come in pairs; add the missing one or remove this one.',
  ),
  SCRIPT_FAILED: entry('failed', 'the script {name} {detail}', 'Look for its name in log/thirdparty.log.', 'later'),

  DATABASE_DOWN: entry(
    'unreachable',
    '{database} at {address} does not answer: {detail}',
    'Start it, or mend its address: of the plan with agentcli plan update, of a freeze in the settings on top of its script.',
    'later',
  ),
  DATABASE_LOGIN: entry(
    'refused',
    '{database} refuses the login of {user}: {detail}',
    'Give the right password: agentcli plan update --password-file, or for a freeze agentcli encpwd and the top of its script.',
  ),
  DATABASE_RIGHT: entry('refused', '{user} may not {right} in {database}', 'Grant that right to the user of the backup.'),
  DATABASE_BUSY: entry(
    'refused',
    '{database} is busy: {detail}',
    'Nothing was frozen or copied. Run it again when that has ended.',
    'later',
  ),
  DATABASE_CLUSTER: entry(
    'refused',
    '{database} is part of a cluster ({detail})',
    'Clusters are not frozen; take a crash-consistent backup, or use the tools of the cluster.',
  ),
  DATABASE_FAILED: entry('failed', '{database} could not {what}: {detail}', 'Read the log of the database.', 'later'),

  SNAPSHOT_NO_PROVIDER: entry(
    'refused',
    'no snapshot can be taken of {path}: {detail}',
    'Put the data on btrfs, LVM or XFS with reflinks, or let the control plane take the snapshot.',
  ),
  SNAPSHOT_NO_SPACE: entry(
    'noSpace',
    'no room for a snapshot of {path}: {detail}',
    'Free space there, then run the backup again.',
    'later',
  ),
  SNAPSHOT_FAILED: entry('failed', 'cannot take a snapshot of {path}: {detail}', 'Look into log/rdtask.log; run the task again.', 'later'),
  SNAPSHOT_LOST: entry(
    'failed',
    'the snapshot {name} is not what it was: {detail}',
    'No backup was made of it. Give snapshots more room, then run the backup again.',
    'later',
  ),
  SNAPSHOT_REMOVE_FAILED: entry(
    'failed',
    'cannot remove the snapshot {name}: {detail}',
    'The agent tries it again with its next task; remove it by hand if space is short.',
    'later',
  ),

  CONSISTENCY_NOT_REACHED: entry(
    'refused',
    'not application-consistent: {reason}',
    'The plan says "fail" in this case. Mend the cause, or let it fall back with agentcli plan update --otherwise fall-back.',
    'later',
  ),
  SOURCE_LIVE_DISK: entry(
    'refused',
    '{path} is written to ({mount}) and there is no snapshot of it',
    'Back up its files (--source files) and its partition table instead, or add --allow-inconsistent to the plan.',
  ),
} as const satisfies Record<string, ErrorEntry>;
