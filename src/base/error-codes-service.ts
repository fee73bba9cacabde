// Errors of databases and buckets as sources and targets.
import { type ErrorEntry, entry } from './error-entry.ts';

export const serviceErrors = {
  TOOL_MISSING: entry(
    'refused',
    'the program {tool} is not installed',
    'Install it: apt-get install {package}, or what your system calls it.',
  ),
  TOOL_FAILED: entry(
    'failed',
    '{tool} failed: {detail}',
    'Nothing was listed or changed beyond what is said. Look into log/rdtask.log; run it again.',
    'later',
  ),
  TOOL_VERSION: entry(
    'refused',
    '{tool} {have} does not fit the server {server}',
    'Install the tools of the version that the server has: {package}.',
  ),
  DATABASE_GRANTS: entry(
    'refused',
    '{user} lacks rights in {database}: {missing}',
    'Let an administrator of the database grant them: {statement};',
  ),
  DATABASE_UNKNOWN: entry(
    'notFound',
    '{database} has no {what}',
    'Mend the plan with agentcli plan update, or the options of the restore.',
  ),
  DATABASE_CHANGED: entry(
    'failed',
    '{database} changed while it was read: {detail}',
    'No backup was made. Run it again when no tables are altered.',
    'later',
  ),
  DATABASE_ELSEWHERE: entry(
    'refused',
    '{database} cannot be copied from this host: {detail}',
    'Run the agent on the host of the database, or use the method logical.',
  ),
  LOG_OFF: entry(
    'refused',
    '{database} keeps no log to go on from: {detail}',
    'Turn it on ({setting}), restart the server, and make a new backup of the base plan.',
  ),
  LOG_GAP: entry(
    'refused',
    'the log of {database} has a gap: {detail}',
    'Make a new backup of the base plan; what came before the gap stays restorable.',
  ),
  LOG_BASE: entry('refused', 'there is no backup that the log could continue: {detail}', 'Run the base plan first.'),
  POINT_UNREACHABLE: entry(
    'refused',
    'the moment {point} cannot be reached: {detail}',
    'See which moments can be reached: agentcli backup restore {id} --list.',
  ),
  PORT_TAKEN: entry('refused', 'the port {port} is taken', 'Choose another one with --port.'),
  DIRECTORY_NOT_EMPTY: entry('refused', 'the directory {path} is not empty', 'Choose a new or empty directory with --dir.'),
  TARGET_EXISTS: entry('refused', '{what} is there already', 'Restore it under another name with --as, or say --replace to overwrite it.'),
  INSTANCE_USER: entry('refused', 'no user can run the new server: {detail}', 'Make that user, or restore as somebody else than root.'),
  APPLY_INVALID: entry('usage', '{file}, line {line}, column {column}: {detail}', 'Nothing was changed. Mend the file and apply it again.'),
  INSTANCE_FAILED: entry(
    'failed',
    'the new instance in {directory} did not start: {detail}',
    'Read {log}. The directory was left as it is; remove it before the next try.',
  ),
  BUCKET_REFUSED: entry(
    'refused',
    'the bucket {bucket} at {endpoint}: {detail}',
    'Give the right credentials, or grant the right that is named.',
  ),
  BUCKET_FAILED: entry(
    'failed',
    'the bucket {bucket} at {endpoint}: {detail}',
    'Check the endpoint, the credentials and their rights.',
    'later',
  ),
} as const satisfies Record<string, ErrorEntry>;
