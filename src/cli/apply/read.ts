// A YAML file for `agentcli apply`, read and checked: every fault is told with its line and column.
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import { fail, isCode, type StillpointError } from '../../base/errors.ts';
import { shapeOf } from '../../base/shape.ts';
import { unknownKey } from './keys.ts';
import { nearest } from './nearest.ts';
import { type FileGateway, type FilePlan, type FilePolicy, type FilePool, type FileVault, WholeFile } from './schema.ts';

/** One item of a list (or the gateway), and how to say that something is wrong with it. */
export interface Entry<T> {
  readonly value: T;
  /** `pointer`: JSON pointer below the item; empty for the item. Throws APPLY_INVALID. */
  readonly wrong: (pointer: string, detail: string) => never;
}

interface Items {
  /** At most one. */
  readonly gateway: readonly Entry<FileGateway>[];
  readonly pools: readonly Entry<FilePool>[];
  readonly policies: readonly Entry<FilePolicy>[];
  readonly vaults: readonly Entry<FileVault>[];
  readonly plans: readonly Entry<FilePlan>[];
}

export interface Wanted extends Items {
  /** Which of the lists the file has, be they empty. */
  readonly lists: ReadonlySet<string>;
  /** A file that it names, as an absolute path. */
  readonly path: (name: string) => string;
}

/** Where a wrong word of a person is answered with more than that it is unknown. */
const explained: Readonly<Record<string, string>> = {
  password: 'a secret is never written here: name the file that holds it with passwordFile',
  credentials: 'a secret is never written here: name the file that holds it with credentialsFile',
  heartbeat: 'its addresses hold secrets, which are never written here: name the file that holds them with heartbeatFile',
  recoveryKey: 'a secret is never written here: recoveryKeyFile names the file that the key of a new vault is written to',
};

const shape = shapeOf(WholeFile);

/** `name`: of the file, for messages and for the folder of what it names; undefined: standard input. Throws APPLY_INVALID. */
export function readWanted(text: string, name: string | undefined): Wanted {
  const lines = new LineCounter();
  const faultAt: FaultAt = (offset, detail, shown = Number.POSITIVE_INFINITY) => {
    const { line, col } = lines.linePos(offset);
    const said = `${detail}${shownLine(text.split('\n')[line - 1] ?? '', col - 1 + shown)}`;
    return fail('APPLY_INVALID', { file: name ?? 'standard input', line, column: col, detail: said });
  };
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, strict: true });
  const parts = (Array.isArray(documents) ? documents : []).map((document) => partOf(document, faultAt));
  const wanted = {
    gateway: parts.flatMap(({ gateway }) => gateway),
    pools: parts.flatMap(({ pools }) => pools),
    policies: parts.flatMap(({ policies }) => policies),
    vaults: parts.flatMap(({ vaults }) => vaults),
    plans: parts.flatMap(({ plans }) => plans),
  };
  const { gateway, ...lists } = wanted;
  gateway[1]?.wrong('', 'the gateway is there twice');
  for (const list of Object.values(lists)) refuseTwice(list);
  const folder = name === undefined ? process.cwd() : dirname(resolve(name));
  return { ...wanted, lists: new Set(parts.flatMap(({ lists }) => lists)), path: (file) => resolve(folder, file) };
}

/** `shown`: how many characters from the fault on may be shown. */
type FaultAt = (offset: number, detail: string, shown?: number) => never;

function partOf(document: Document.Parsed, faultAt: FaultAt): Items & { readonly lists: readonly string[] } {
  const broken = document.errors[0] ?? document.warnings[0];
  if (broken) faultAt(broken.pos[0], broken.message);
  const value = contentOf(document, faultAt);
  const said = withoutNothing(value);
  refuseUnknown(document, said, faultAt);
  const fault = shape.find(said);
  if (fault) faultAt(offsetOf(document, fault.pointer), fault.text);
  const entry = <T>(item: T, path: string): Entry<T> => ({
    value: item,
    wrong: (pointer, detail) => faultAt(offsetOf(document, `${path}${pointer}`), detail),
  });
  const entries = <T>(list: readonly T[] | null | undefined, key: string) => (list ?? []).map((item, i) => entry(item, `/${key}/${i}`));
  const { gateway } = value;
  return {
    gateway: gateway ? [entry(gateway, '/gateway')] : [],
    pools: entries(value.pools, 'pools'),
    policies: entries(value.policies, 'policies'),
    vaults: entries(value.vaults, 'vaults'),
    plans: entries(value.plans, 'plans'),
    lists: Object.entries(value).flatMap(([key, list]) => (Array.isArray(list) ? key : [])),
  };
}

function refuseUnknown(document: Document.Parsed, value: unknown, faultAt: FaultAt): void {
  const unknown = unknownKey(WholeFile, value);
  if (!unknown) return;
  const { key, place, known, pointer } = unknown;
  const meant = nearest(key, known);
  const advice = meant ? `did you mean ${meant}?` : `it may have ${known.join(', ')}`;
  const detail = Object.hasOwn(explained, key) ? explained[key]! : `${place || 'the file'} has an unknown key ${key}; ${advice}`;
  // Not what stands behind it: it may be a secret.
  faultAt(offsetOf(document, pointer), detail, key.length + 1);
}

const longestLine = 120;
const secrets = /pass|pw|secret|token|credential|key/i;

/** The line with the fault, unless it may hold a secret. */
function shownLine(line: string, end: number): string {
  if (secrets.test(line.slice(0, end).replaceAll(/\w+File\b/g, ''))) return '';
  const shown = line.slice(0, Math.min(end, longestLine));
  return shown.trim() === '' ? '' : ` (the line: ${shown.trim()}${shown.length < line.trimEnd().length ? ' …' : ''})`;
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

const ofTheFile = [
  'USAGE',
  'NOT_FOUND',
  'NAME_INVALID',
  'DESCRIPTION_INVALID',
  'SCHEDULE_INVALID',
  'TIME_ZONE_UNKNOWN',
  'RETENTION_INVALID',
  'WINDOW_INVALID',
] as const;

/** What the rules of the agent find wrong is told with its place in the file. */
export function judged<R>(entry: Entry<unknown>, pointer: string, judge: () => R): R {
  try {
    return judge();
  } catch (error) {
    if (!isCode(error, ...ofTheFile)) throw error;
    return entry.wrong(pointer, (error as StillpointError).message);
  }
}
