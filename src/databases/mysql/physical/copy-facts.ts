// What a physical backup says of itself, in its backup.json and in the files of the tool.
import { fail } from '../../../base/errors.ts';
import type { LogMark } from '../../../model/service.ts';
import type { Content } from '../../../ports/source.ts';
import type { ServerFacts } from '../server-facts.ts';

export interface CopyFacts extends ServerFacts {
  readonly format: 1;
  readonly method: 'physical';
  readonly tool: string;
  readonly toolVersion: string;
  /** Where the binary log stood; none where the server keeps no log. */
  readonly log?: Omit<LogMark, 'at'>;
}

export type LogPlace = Pick<LogMark, 'place' | 'gtid'>;

/** Its older and its newer name. */
export const isLogInfo = (path: readonly string[]): boolean =>
  path.length === 1 && /^(xtrabackup|mariadb_backup)_binlog_info$/.test(path[0]!);

/** `bin.000004<TAB>1234<TAB>0-1-17`; MySQL's sets of transactions go over several lines. Throws TOOL_FAILED. */
export function logPlace(text: string): LogPlace {
  const [file = '', position = '', gtid = ''] = text.split('\t').map((part) => part.replace(/\s+/g, ''));
  if (file === '' || !/^\d+$/.test(position))
    fail('TOOL_FAILED', { tool: 'the backup tool', detail: 'it does not tell the place in the binary log' });
  return { place: `${file}:${position}`, ...(gtid !== '' && { gtid }) };
}

export const copyFile = (facts: CopyFacts): Content => ({
  kind: 'stream',
  chunking: { kind: 'content' },
  open: async function* () {
    yield Buffer.from(`${JSON.stringify(facts, undefined, 2)}\n`);
  },
});
