// The one table of errors: area first in the code; the message says in lower case what failed on which thing; the hint says in a full
// sentence what the operator does next. docs/errors.md is tied to this table by a test.

import { freezeErrors } from './error-codes-freeze.ts';
import { planErrors } from './error-codes-plan.ts';
import { serviceErrors } from './error-codes-service.ts';
import { type ErrorEntry, entry } from './error-entry.ts';

export { type ErrorEntry, exits, type Retry } from './error-entry.ts';

export const errorCodes = {
  INTERNAL: entry(
    'failed',
    'internal error: {detail}',
    'This is a defect. Report it with what log/rdagent.log and log/rdtask.log say about it.',
  ),
  USAGE: entry('usage', '{detail}', 'See agentcli --help or agentcli <noun> --help.'),
  NAME_INVALID: entry('usage', 'invalid name {name}: {rule}', 'Choose a name that follows the rule.'),
  NOT_FOUND: entry('notFound', 'no {what} named {id}', 'List what there is with agentcli {what} list.'),
  NOT_IN_BACKUP: entry('notFound', 'no {what} {id} in this backup', 'See what is in it with agentcli backup ls -r.'),
  KEY_NOT_FOUND: entry('notFound', 'the repository has no key {id}', 'List its keys with agentcli vault keys list.'),
  AMBIGUOUS_ID: entry('usage', '{id} matches {count} {what}s', 'Give more characters of the ID.'),
  ALREADY_EXISTS: entry('refused', 'a {what} named {id} exists already', 'Choose another name, or update the one that exists.'),
  IN_USE: entry('refused', '{what} {id} is used by {users}', 'Remove what uses it first.'),
  DESCRIPTION_INVALID: entry('usage', 'the description has {length} characters; 255 are allowed', 'Shorten it.'),
  IDEMPOTENCY_SPENT: entry(
    'refused',
    'the request {key} was done already; its answer held a recovery key and is not told again',
    'If the recovery key got lost make a new one with agentcli vault recovery-key.',
  ),
  IDEMPOTENCY_REUSED: entry('usage', 'the idempotency key {key} was used for another request', 'Use a new key for each request.'),
  CONFIRMATION_NEEDED: entry('usage', '{what} needs a confirmation and there is no terminal to ask', 'Add --yes if you are sure.'),
  ANSWER_NO: entry('cancelled', '{what} was not confirmed', 'Nothing was changed. Run it again and answer yes, or add --yes.'),
  USAGE_COMMAND: entry('usage', 'unknown command {name}', '{suggestion}See {help}.'),
  USAGE_OPTION: entry('usage', 'unknown option {name}', '{suggestion}See {help}.'),
  USAGE_ARGUMENT: entry('usage', '{detail}', 'See {help}.'),
  USAGE_VALUE: entry('usage', '{value} is not a valid {what}', 'Give {rule}.'),
  CREDENTIALS_NEEDED: entry(
    'usage',
    'there are no credentials for {what}',
    'Give --credentials-file FILE, or set STILLPOINT_ACCESS_KEY and STILLPOINT_SECRET_KEY.',
  ),
  CREDENTIALS_FILE: entry(
    'usage',
    'the credentials file {path} is not usable: {detail}',
    'Write two lines, access_key=… and secret_key=…, or a section [default] as AWS does.',
  ),
  KEY_FILE_NEEDED: entry(
    'usage',
    'there is neither a file nor a terminal for the recovery key',
    'Add --recovery-key-file FILE; the key is told only once.',
  ),
  KEY_FILE_EMPTY: entry('usage', 'the file {path} holds no key', 'Name the file that holds the recovery key in its first line.'),

  FILE_MISSING: entry('notFound', 'the file {path} does not exist', 'Check the path; it is read by agentcli, on this host.'),
  FILE_EXISTS: entry('refused', 'the file {path} exists already', 'Choose another name; a file that may hold a key is never overwritten.'),
  FILE_UNREADABLE: entry('failed', 'cannot read the file {path}: {detail}', 'Check its rights and what it holds.'),
  FILE_UNWRITABLE: entry('failed', 'cannot write the file {path}: {detail}', 'Check the directory, its rights and its free space.'),

  AGENT_UNREACHABLE: entry(
    'unreachable',
    'the agent does not answer on {address}',
    'Start it (npm start, with the same AGENT_HOME); if it does not come up, log/rdagent.log says why.',
    'later',
  ),
  AGENT_RUNNING: entry('refused', 'an agent runs already on {home}', 'Stop it first, or use another AGENT_HOME.'),
  AGENT_PORT: entry(
    'refused',
    'cannot listen on {address}: {detail}',
    'Set another port in conf/agent.yaml or with AGENT_PORT (0 takes a free one).',
  ),
  PROVIDER_UNREACHABLE: entry(
    'unreachable',
    'rdprovider does not answer: {detail}',
    'Start the service rdprovider; log/monitor.log says why it does not run.',
    'later',
  ),
  AGENT_STOPPING: entry('unreachable', 'the agent is stopping', 'Run it again once the agent has started.', 'later'),

  CONFIG_INVALID: entry('usage', 'the file {file} is not usable: {detail}', 'Mend it, then start the agent again.'),
  SECRET_UNREADABLE: entry(
    'damaged',
    'the stored secret {what} cannot be opened',
    'The file conf/installation.key is not the one it was sealed with. Put the right one back, or enter the secret again.',
  ),
  STATE_FULL: entry(
    'noSpace',
    'no space left for the database {path}',
    'Free space on the file system of AGENT_HOME; the agent goes on by itself.',
    'later',
  ),
  STATE_NEWER: entry(
    'refused',
    'the database {path} has version {version}; this agent knows up to {known}',
    'Start the newer agent again.',
  ),
  STATE_DAMAGED: entry(
    'damaged',
    'the database {path} is damaged: {detail}',
    'Start the agent again: it makes a new one from data/agent.keep. The backups are in the vaults.',
  ),

  POOL_NOT_FOUND: entry('unreachable', 'the pool {location} does not exist', 'Create the directory or the bucket, or mend the location.'),
  POOL_MARKER_MISSING: entry(
    'unreachable',
    'the marker of pool {pool} is gone from {location}',
    'The file system is probably not mounted. Mount it; the pool comes back by itself.',
    'later',
  ),
  POOL_MARKER_FOREIGN: entry(
    'refused',
    '{location} is marked as another pool ({found}, not {pool})',
    'Mount the right file system, or bind this directory as a pool of its own.',
  ),
  POOL_OFFLINE: entry(
    'unreachable',
    'the pool {location} cannot be reached: {detail}',
    'Check network, address and credentials with agentcli pool show.',
    'later',
  ),
  POOL_CREDENTIALS: entry(
    'refused',
    'the pool {location} refuses the credentials: {detail}',
    'Give the right ones with agentcli pool update --credentials-file.',
  ),
  POOL_CERTIFICATE: entry(
    'refused',
    'the certificate of {location} is not trusted: {detail}',
    'Give the certificate of its authority with --ca-file (agentcli pool bind, pool update, vault attach, recover), or mend the address.',
  ),
  POOL_NO_RIGHT: entry('refused', 'the credentials may not {right} in {location}', 'Grant that right to the key, then bind again.'),
  POOL_FULL: entry(
    'noSpace',
    'no space left in {location}',
    'Delete backups and run agentcli vault prune --max-unused 100, or expand the file system; nothing stored is lost.',
    'later',
  ),
  POOL_CLOCK: entry(
    'unreachable',
    'the clock of this host is too far from the clock of {location}',
    'Set the time of this host (chrony, systemd-timesyncd).',
    'later',
  ),

  BACKEND_NOT_FOUND: entry(
    'damaged',
    '{kind} file {name} is missing in {location}',
    'Run agentcli vault check; it names the backups that are hurt.',
  ),
  BACKEND_SHORT: entry('damaged', '{kind} file {name} in {location} is shorter than expected', 'Run agentcli vault check --read-data.'),
  BACKEND_FAILED: entry(
    'unreachable',
    'cannot {operation} {kind} file {name} in {location}: {detail}',
    'Check the pool with agentcli pool show; the task may be run again.',
    'later',
  ),

  REPO_NOT_FOUND: entry(
    'noRepository',
    'there is no repository at {location}',
    'Check the location: it is what agentcli vault show prints as location.',
  ),
  REPO_EXISTS: entry('refused', 'there is a repository at {location} already', 'Use agentcli vault attach with its recovery key.'),
  REPO_VERSION: entry(
    'noRepository',
    'the repository at {location} has format version {version}; this agent knows 1 and 2',
    'Use a newer agent.',
  ),
  REPO_CONFIG: entry('damaged', 'the config file of {location} is damaged: {detail}', 'Restore the file config from a copy of the pool.'),
  REPO_WRONG_KEY: entry(
    'wrongKey',
    'the password or recovery key does not open {location}',
    'Use the recovery key that was shown when the vault was created.',
  ),
  REPO_LOCKED: entry(
    'locked',
    'the repository is locked by {holder} since {since}',
    'Wait for it; if that process is dead run agentcli vault unlock.',
    'later',
  ),
  REPO_LOCK_LOST: entry(
    'locked',
    'our lock on {location} is gone or was not refreshed in time',
    'Run the task again; what was stored so far is not sent again.',
    'now',
  ),
  REPO_DAMAGED: entry(
    'damaged',
    '{kind} {name} is damaged: {detail}',
    'Run agentcli vault check --read-data, then a full backup of the hurt sources.',
  ),
  REPO_BLOB_MISSING: entry(
    'damaged',
    'block {id} is in no index',
    'Run agentcli vault check; a full backup of the source stores it again.',
  ),
  REPO_LAST_KEY: entry('refused', 'key {id} is the one in use', 'Open the repository with another key to remove this one.'),
  REPO_INCOMPLETE: entry(
    'damaged',
    '{count} blocks that backups need are missing',
    'Run agentcli vault check; prune changes nothing while blocks are missing.',
  ),

  VAULT_KNOWN: entry('refused', 'the vault {location} is known already, as {name}', 'Use it by that name: agentcli vault show {name}.'),
  VAULT_FULL: entry(
    'noSpace',
    'the vault {vault} holds {used} of {capacity} GB',
    'Expand it (agentcli vault expand), or delete backups and prune it.',
  ),
  VAULT_STATE: entry('refused', 'the vault {vault} is {state}', 'Wait until it is available, or look into agentcli vault show.', 'later'),
  BACKUP_STATE: entry('refused', 'the backup {id} is {state}', 'Wait for the task that works on it (agentcli task list).', 'later'),

  SOURCE_MISSING: entry('notFound', 'the path {path} does not exist', 'Mend the path of the plan with agentcli plan update.'),
  SOURCE_UNREADABLE: entry('failed', 'cannot read {path}: {detail}', 'Check the rights of the user that the task runs as.'),
  SOURCE_COMMAND: entry('failed', 'the command {command} {detail}', 'No backup was made. Run the command by hand and read what it says.'),
  SOURCE_NOT_DISK: entry('usage', '{path} is neither a block device nor a regular file', 'Name a block device or a disk image file.'),

  TARGET_SMALLER: entry('refused', 'the target {path} holds {have} bytes, the backup needs {need}', 'Choose a target at least as large.'),
  TARGET_MOUNTED: entry('refused', 'the target {path} is mounted on {mount}', 'Unmount it first, or restore to another device or file.'),
  TARGET_SYSTEM_DISK: entry('refused', '{path} is the disk this host runs from', 'Start a rescue system and use agentcli recover there.'),
  TARGET_FAILED: entry(
    'failed',
    'cannot write {path}: {detail}',
    'Mend the cause and run the same restore again: it goes on where it stopped.',
    'later',
  ),
  TARGET_PATH_UNKNOWN: entry('notFound', 'the backup holds no path {path}', 'Look for it with agentcli backup ls or backup find.'),
  TARGET_FULL: entry(
    'noSpace',
    'no space left for {path}',
    'Free space and run the same restore again: it goes on where it stopped.',
    'later',
  ),
  TARGET_VERIFY: entry('damaged', '{count} restored files differ from the backup', 'Run the restore again with --overwrite always.'),

  NOT_ALLOWED: entry(
    'refused',
    '{what} is not allowed on this host: {reason}',
    'What may be done with more rights than those of the agent is named by root in /etc/stillpoint/allow.yaml.',
  ),
  APPROVAL_NEEDED: entry(
    'refused',
    'to restore {place} root has to approve it: {reason}',
    'Run agentcli task approve {task} as root on this host; then start the same restore again within 24 hours.',
  ),
  ROOT_NEEDED: entry('refused', '{what} is for root only', 'Log in to this host as root, or use sudo, and run it again.'),

  TASK_CANCELLED: entry('cancelled', 'the task was cancelled', 'Run it again when you like; what was stored so far is not sent again.'),
  TASK_GOES_ON: entry(
    'cancelled',
    'no longer waiting; the task {id} goes on',
    'agentcli task wait {id} waits again, agentcli task cancel {id} cancels it.',
  ),
  TASK_DIED: entry('failed', 'the task process died ({detail})', 'Look into log/rdagent.log; run the task again.', 'later'),

  ...freezeErrors,
  ...serviceErrors,
  ...planErrors,
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCodes;
