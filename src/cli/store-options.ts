// How a bucket is named and reached, for every command that takes one.
import { type Command, Option } from 'commander';
import type { Credentials } from '../model/pool.ts';
import { findCredentials } from './credentials.ts';
import { readTextFile } from './files.ts';
import type { Session } from './session.ts';
import { choice } from './verb.ts';

const option = (flags: string, description: string) => new Option(flags, description).helpGroup('Bucket:');

export const bucketNameOptions = (otherwise = 'its name'): readonly [Option, Option, Option] => [
  option('--endpoint <url>', 'address with scheme'),
  option('--bucket <name>', otherwise),
  option('--prefix <prefix>', 'of all keys'),
];

export interface StoreOptions {
  readonly credentialsFile?: string;
  readonly region?: string;
  readonly addressing?: 'path' | 'virtual-host';
  readonly caFile?: string;
}

/** Options of every command that names a bucket. */
export function storeOptions(command: Command): Command {
  return command
    .addOption(option('--credentials-file <file>', 'KEY=value lines or an AWS credentials file; else the environment, else a question'))
    .addOption(option('--region <region>', 'us-east-1 if not given'))
    .addOption(
      choice('--addressing <style>', 'how the bucket is addressed; path if not given', ['path', 'virtual-host']).helpGroup('Bucket:'),
    )
    .addOption(option('--ca-file <file>', 'certificates to trust besides the system’s (PEM)'));
}

/** Region, style and authority as the RPC takes them; only what was given. */
export function storeDetails(options: StoreOptions) {
  const { region, addressing, caFile } = options;
  return {
    ...(region !== undefined && { region }),
    ...(addressing !== undefined && { addressing }),
    ...(caFile !== undefined && { caPem: readTextFile(caFile) }),
  };
}

export async function storeCredentials(session: Session, options: StoreOptions, what: string): Promise<Credentials> {
  const { secretPrompt } = await import('./prompt.ts');
  return findCredentials(options.credentialsFile, session.environment, secretPrompt(session.terminal), what);
}
