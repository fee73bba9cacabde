// What a restore is told on the command line, and what of its backup.
import type { SourceOptions } from './sources/kind.ts';

/** The backup as far as a restore has to know it. */
export interface Restorable {
  readonly source: string | null;
  readonly paths: readonly string[];
}

/** Of databases and buckets. */
interface ServiceOptions {
  readonly newInstance?: boolean;
  readonly dir?: string;
  readonly toTime?: number;
  readonly toGtid?: string;
  readonly toPosition?: string;
  readonly toLatest?: boolean;
  readonly as?: readonly string[];
  readonly replace?: boolean;
  readonly pattern?: string;
  readonly list?: boolean;
}

export interface RestoreOptions extends ServiceOptions, Omit<SourceOptions, 'source' | 'method'> {
  readonly target?: string;
  readonly inPlace?: boolean;
  readonly include?: readonly string[];
  readonly overwrite?: 'always' | 'if-changed' | 'never';
  readonly delete?: boolean;
  readonly verify?: boolean;
  readonly map?: Readonly<Record<string, string>>;
  readonly loadArgv?: boolean;
  readonly loadShell?: string;
  readonly loadNamed?: string;
  readonly before?: readonly string[];
  readonly after?: readonly string[];
  readonly beforeNamed?: readonly string[];
  readonly afterNamed?: readonly string[];
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}
