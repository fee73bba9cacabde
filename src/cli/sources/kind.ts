// One kind of source on the command line: its options, what they make, and how a plan of it is shown.
import { Option } from 'commander';
import type { Credentials } from '../../model/pool.ts';
import type { Plan, SourceInput } from '../../rpc/schemas-plans.ts';

export interface SourceOptions {
  readonly source?: SourceInput['kind'];
  readonly method?: string;
  readonly path?: readonly string[];
  readonly exclude?: readonly string[];
  readonly excludeFile?: readonly string[];
  readonly oneFileSystem?: boolean;
  readonly excludeCaches?: boolean;
  readonly disks?: 'all' | 'system' | 'data';
  readonly excludeDisk?: readonly string[];
  readonly argv?: boolean;
  readonly shell?: string;
  readonly named?: string;
  readonly fileName?: string;
  readonly minBytes?: number;
  readonly expectTail?: string;
  readonly host?: string;
  readonly port?: number;
  readonly socket?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly serverCa?: string;
  readonly database?: readonly string[];
  readonly table?: readonly string[];
  readonly base?: string;
  readonly endpoint?: string;
  readonly bucket?: string;
  readonly prefix?: string;
  readonly versions?: boolean;
  readonly credentialsFile?: string;
  readonly region?: string;
  readonly addressing?: 'path' | 'virtual-host';
  readonly caFile?: string;
}

/** What a kind may ask for while it reads its options. */
export interface Asking {
  /** Throws USAGE_ARGUMENT. */
  wrong(detail: string): never;
  /** The password that the options name, the environment has, or somebody types; undefined: none. `before`: one may be stored, so nobody is asked. */
  password(options: SourceOptions, before: boolean): Promise<string | undefined>;
  credentials(options: SourceOptions, what: string): Promise<Credentials>;
}

export type Row = readonly [string, string | undefined];

type PlanOf<K> = Extract<Plan['source'], { kind: K }>;

export interface SourceKind<K extends SourceInput['kind']> {
  /** Of the options, those that go with it. */
  readonly takes: readonly (keyof SourceOptions)[];
  /** `same`: what the plan has already, where it is of the same kind. Throws USAGE_ARGUMENT. */
  from(
    options: SourceOptions,
    words: readonly string[],
    same: PlanOf<K> | undefined,
    asking: Asking,
  ): Promise<Extract<SourceInput, { kind: K }>>;
  /** In one line of a list. */
  text(source: PlanOf<K>): string;
  rows(source: PlanOf<K>, plan: Plan): readonly Row[];
}

export const grouped = (heading: string) => (flags: string, description: string) => new Option(flags, description).helpGroup(heading);
