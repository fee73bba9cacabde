// Our metadata as tags of a record, `key=value`, so that a vault alone tells everything and `restic snapshots` shows it. restic's --tag
// splits its argument at commas, so a value's commas are percent-encoded, as are line ends and other controls, bytes beyond ASCII (any
// terminal and shell passes the rest on) and spaces at the ends.
import type { BackupTags } from '../model/backup.ts';
import { retentionOf, retentionWord } from '../model/retention-rule.ts';
import type { LogMark } from '../model/service.ts';

const kinds = ['manual', 'auto'] as const;
const consistencies = ['application', 'crash', 'file', 'none'] as const;

// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what is looked for
const unsafe = /[%,\x00-\x1f\x7f]|[^\x00-\x7f]|^ +| +$/gu;

const encode = (value: string): string => value.toWellFormed().replace(unsafe, encodeURIComponent);

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // no encoding of ours: somebody's own tag
  }
}

/** The tags of what is known; empty texts and `full: false` make none. */
export function tagsOf(tags: BackupTags): string[] {
  const values: readonly (readonly [string, string | undefined])[] = [
    ['plan', tags.plan],
    ['plan-name', tags.planName],
    ['name', tags.name],
    ['kind', tags.kind],
    ['source', tags.source],
    ['method', tags.method],
    ['log-from', tags.logFrom && JSON.stringify(tags.logFrom)],
    ['log-until', tags.logUntil && JSON.stringify(tags.logUntil)],
    ['consistency', tags.consistency],
    ['consistency-reason', tags.consistencyReason],
    ['full', tags.full ? 'true' : undefined],
    ['warnings', tags.warnings === undefined ? undefined : String(tags.warnings)],
    ['description', tags.description],
    ['keep', tags.keep && retentionWord(tags.keep)],
  ];
  return values.flatMap(([key, value]) => (value ? [`${key}=${encode(value)}`] : []));
}

/** Reads tagsOf() back. Of two tags with one key the first counts; values that we do not know and foreign tags are passed over. */
export function parseTags(rawTags: readonly string[]): BackupTags {
  const values = new Map<string, string>();
  for (const tag of rawTags) {
    const at = tag.indexOf('=');
    const key = tag.slice(0, Math.max(at, 0));
    if (at > 0 && !values.has(key)) values.set(key, decode(tag.slice(at + 1)));
  }
  const text = <K extends string>(key: string, ours: K): { readonly [name in K]?: string } => {
    const value = values.get(key);
    return value ? ({ [ours]: value } as { readonly [name in K]?: string }) : {};
  };
  const mark = <K extends string>(key: string, ours: K): { readonly [name in K]?: LogMark } => {
    const value = logMarkOf(values.get(key) ?? '');
    return value ? ({ [ours]: value } as { readonly [name in K]?: LogMark }) : {};
  };
  const kind = kinds.find((known) => known === values.get('kind'));
  const consistency = consistencies.find((known) => known === values.get('consistency'));
  const warnings = values.get('warnings') ?? '';
  const keep = retentionOf(values.get('keep') ?? '');
  return {
    ...text('plan', 'plan'),
    ...text('plan-name', 'planName'),
    ...text('name', 'name'),
    ...(kind ? { kind } : {}),
    ...text('source', 'source'),
    ...text('method', 'method'),
    ...mark('log-from', 'logFrom'),
    ...mark('log-until', 'logUntil'),
    ...(consistency ? { consistency } : {}),
    ...text('consistency-reason', 'consistencyReason'),
    ...(values.get('full') === 'true' ? { full: true } : {}),
    ...(/^\d{1,15}$/.test(warnings) ? { warnings: Number(warnings) } : {}),
    ...text('description', 'description'),
    ...(keep ? { keep } : {}),
  };
}

/** Somebody's own tag of that name is passed over. */
function logMarkOf(text: string): LogMark | undefined {
  try {
    const { place, gtid, at, server } = JSON.parse(text) as Partial<LogMark>;
    if (typeof place !== 'string' || typeof at !== 'number' || typeof server !== 'string') return undefined;
    return { place, at, server, ...(typeof gtid === 'string' && { gtid }) };
  } catch {
    return undefined;
  }
}
