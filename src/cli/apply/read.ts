// A YAML file for `agentcli apply`, read and checked: every fault is told with its line and column.
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import { fail, isCode, type StillpointError } from '../../base/errors.ts';
import { shapeOf } from '../../base/shape.ts';
import { type FilePlan, type FilePool, type FileVault, WholeFile } from './schema.ts';

/** One item of a list, and how to say that something is wrong with it. */
export interface Entry<T> {
  readonly value: T;
  /** `pointer`: JSON pointer below the item; empty for the item. Throws APPLY_INVALID. */
  readonly wrong: (pointer: string, detail: string) => never;
}

export interface Wanted {
  readonly pools: readonly Entry<FilePool>[];
  readonly vaults: readonly Entry<FileVault>[];
  readonly plans: readonly Entry<FilePlan>[];
  /** A file that it names, as an absolute path. */
  readonly path: (name: string) => string;
}

/** Where a wrong word of a person is answered with more than that it is unknown. */
const explained: Readonly<Record<string, string>> = {
  schedule:
    'schedules do not exist yet: they come with a later version. Until then let cron or a systemd timer run agentcli backup run NAME --wait',
  password: 'a secret is never written here: name the file that holds it with passwordFile',
  credentials: 'a secret is never written here: name the file that holds it with credentialsFile',
  recoveryKey: 'a secret is never written here: recoveryKeyFile names the file that the key of a new vault is written to',
};

const shape = shapeOf(WholeFile);

/** `name`: of the file, for messages and for the folder of what it names; undefined: standard input. Throws APPLY_INVALID. */
export function readWanted(text: string, name: string | undefined): Wanted {
  const lines = new LineCounter();
  const faultAt = (offset: number, detail: string): never => {
    const { line, col } = lines.linePos(offset);
    return fail('APPLY_INVALID', { file: name ?? 'standard input', line, column: col, detail });
  };
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, strict: true });
  const parts = (Array.isArray(documents) ? documents : []).map((document) => partOf(document, faultAt));
  const wanted = {
    pools: parts.flatMap(({ pools }) => pools),
    vaults: parts.flatMap(({ vaults }) => vaults),
    plans: parts.flatMap(({ plans }) => plans),
  };
  for (const list of Object.values(wanted)) refuseTwice(list);
  const folder = name === undefined ? process.cwd() : dirname(resolve(name));
  return { ...wanted, path: (file) => resolve(folder, file) };
}

type FaultAt = (offset: number, detail: string) => never;

function partOf(document: Document.Parsed, faultAt: FaultAt): Omit<Wanted, 'path'> {
  const broken = document.errors[0] ?? document.warnings[0];
  if (broken) faultAt(broken.pos[0], broken.message);
  const value = contentOf(document, faultAt);
  const fault = shape.find(withoutNothing(value));
  if (fault) {
    const key = stepsOf(fault.pointer).at(-1) ?? '';
    const known = fault.text.includes('unknown key') && Object.hasOwn(explained, key) ? explained[key] : undefined;
    faultAt(offsetOf(document, fault.pointer), known ?? fault.text);
  }
  const entries = <T>(list: readonly T[] | null | undefined, key: string): readonly Entry<T>[] =>
    (list ?? []).map((item, i) => ({
      value: item,
      wrong: (pointer, detail) => faultAt(offsetOf(document, `/${key}/${i}${pointer}`), detail),
    }));
  return { pools: entries(value.pools, 'pools'), vaults: entries(value.vaults, 'vaults'), plans: entries(value.plans, 'plans') };
}

/** Aliases are followed, within reason. */
function contentOf(document: Document.Parsed, faultAt: FaultAt): WholeFile {
  try {
    return (document.toJS({ maxAliasCount: 100 }) ?? {}) as WholeFile;
  } catch (error) {
    return faultAt(rangeOf(document.contents) ?? 0, (error as Error).message);
  }
}

/** `plans:` with nothing behind it is no plan. */
function withoutNothing(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null));
}

const stepsOf = (pointer: string): readonly string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));

/** Of what the pointer leads to, or of the last on the way that is there. A key stands for its value. */
function offsetOf(document: Document.Parsed, pointer: string): number {
  let node: unknown = document.contents;
  let offset = rangeOf(node) ?? 0;
  for (const step of stepsOf(pointer)) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === step);
      if (!pair) break;
      offset = rangeOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = rangeOf(node) ?? offset;
    } else break;
  }
  return offset;
}

const rangeOf = (node: unknown): number | undefined => (node as { readonly range?: readonly number[] | null } | undefined)?.range?.[0];

function refuseTwice(entries: readonly Entry<{ readonly name: string }>[]): void {
  const seen = new Set<string>();
  for (const { value, wrong } of entries) {
    if (seen.has(value.name)) wrong('/name', `${value.name} is there twice`);
    seen.add(value.name);
  }
}

/** What the rules of the agent find wrong is told with its place in the file. */
export function judged<R>(entry: Entry<unknown>, pointer: string, judge: () => R): R {
  try {
    return judge();
  } catch (error) {
    if (!isCode(error, 'USAGE', 'NOT_FOUND', 'NAME_INVALID', 'DESCRIPTION_INVALID')) throw error;
    return entry.wrong(pointer, (error as StillpointError).message);
  }
}
