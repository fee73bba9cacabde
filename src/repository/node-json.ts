// One node of a tree, byte for byte as restic's Go writes it: key order, omitted zeros, Go's file mode. Sources: restic's
// internal/data/node.go (older: internal/restic/node.go) and Go's io/fs FileMode.
import { isUtf8 } from 'node:buffer';
import { fail } from '../base/errors.ts';
import type { ExtendedAttribute, Node, NodeTime, NodeType } from '../model/node.ts';
import { jsonBytes, jsonName, jsonString, quote, unquote } from './go-text.ts';
import { formatTime, parseTime } from './go-time.ts';

/** Go's type bits. They pass 2^31, so they are added, never or-ed. */
const typeBits: Readonly<Record<NodeType, number>> = {
  file: 0,
  dir: 2 ** 31,
  symlink: 2 ** 27,
  dev: 2 ** 26,
  chardev: 2 ** 26 + 2 ** 21,
  fifo: 2 ** 25,
  socket: 2 ** 24,
};
const SETUID = 1 << 23;
const SETGID = 1 << 22;
const STICKY = 1 << 20;

function goMode(type: NodeType, mode: number): number {
  const special = mode > 0o777 ? (mode & 0o4000 ? SETUID : 0) + (mode & 0o2000 ? SETGID : 0) + (mode & 0o1000 ? STICKY : 0) : 0;
  return typeBits[type] + special + (mode & 0o777);
}

const unixMode = (mode: number): number =>
  (mode & 0o777) + (mode & SETUID ? 0o4000 : 0) + (mode & SETGID ? 0o2000 : 0) + (mode & STICKY ? 0o1000 : 0);

/** What is wrong with a name, if it cannot be that of one entry in a directory. */
function nameProblem(name: Buffer): string | undefined {
  if (name.length === 0) return 'a node without a name';
  if (name.includes(0x2f) || name.includes(0)) return `the name "${quote(name)}" holds a slash or a NUL`;
  if (name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e))) return `a node is named "${quote(name)}"`;
  return undefined;
}

/** A 64-bit count; Node's bigint stat gives those above 2^63 as negative numbers. */
const uint64 = (key: string, value: bigint): string => (value === 0n ? '' : `,"${key}":${value < 0n ? BigInt.asUintN(64, value) : value}`);
const text = (key: string, value: string): string => (value === '' ? '' : `,"${key}":${jsonString(value)}`);

/** restic keeps the link count of these only (internal/fs/node.go): that of a directory says how many directories are in it. */
const linked: ReadonlySet<Node['type']> = new Set(['file', 'symlink', 'dev', 'chardev']);

/** The JSON of one node. Throws INTERNAL for what no tree may hold: an impossible name, a file without content, a directory without tree. */
export function nodeJson(node: Node): string {
  const { type } = node;
  const problem = nameProblem(node.name);
  if (problem !== undefined) fail('INTERNAL', { detail: problem });
  if ((type === 'file') !== (node.content !== undefined) || (type === 'dir') !== (node.subtree !== undefined))
    fail('INTERNAL', { detail: `the ${type} "${quote(node.name)}" has not the content of one` });

  const mode = goMode(type, node.mode);
  const mtime = formatTime(node.mtime);
  const atime = node.atime === node.mtime ? mtime : formatTime(node.atime);
  const ctime = formatTime(node.ctime);
  let out = `{"name":${jsonName(node.name)},"type":"${type}"${mode === 0 ? '' : `,"mode":${mode}`},"mtime":"${mtime}","atime":"${atime}","ctime":"${ctime}","uid":${node.uid},"gid":${node.gid}`;
  out += text('user', node.user) + text('group', node.group) + uint64('inode', node.inode) + uint64('device_id', node.deviceId);
  if (node.size !== 0) out += `,"size":${node.size}`;
  if (linked.has(type)) out += uint64('links', node.links);
  if (node.linkTarget !== undefined) out += linkTarget(node.linkTarget);
  if (node.xattrs.length > 0) out += `,"extended_attributes":[${node.xattrs.map(attribute).join(',')}]`;
  if (node.genericAttributes !== undefined) out += `,"generic_attributes":${node.genericAttributes}`;
  if (node.device !== undefined) out += uint64('device', node.device);
  out += node.content === undefined ? ',"content":null' : contentList(node.content);
  if (node.subtree !== undefined) out += `,"subtree":"${node.subtree}"`;
  return `${out}${text('error', node.error ?? '')}}`;
}

const contentList = (ids: readonly string[]): string => (ids.length === 0 ? ',"content":[]' : `,"content":["${ids.join('","')}"]`);
const attribute = ({ name, value }: ExtendedAttribute): string => `{"name":${jsonString(name)},"value":"${value.toString('base64')}"}`;

/** The raw form (restic ≥ 0.16) goes along only where the readable one would lose bytes. */
function linkTarget(target: Buffer): string {
  if (target.length === 0) return '';
  return `,"linktarget":${jsonBytes(target)}${isUtf8(target) ? '' : `,"linktarget_raw":"${target.toString('base64')}"`}`;
}

/** Throws the error for a damaged tree. */
export type Damaged = (detail: string) => never;

/** Digits that a double may not hold; a blob's id never follows a colon. */
const longNumber = /:\s*\d{16,}/;
const hexId = /^[0-9a-f]{64}$/;

function parse(json: string, damaged: Damaged): Record<string, unknown> {
  try {
    if (!longNumber.test(json)) return JSON.parse(json);
    return JSON.parse(json, (_key, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && /^\d+$/.test(context?.source ?? '') ? BigInt(context!.source!) : value,
    );
  } catch (cause) {
    return damaged(`a node is no JSON: ${(cause as Error).message}`);
  }
}

/** Reads one node's JSON, of any restic: what may be missing is taken as zero, keys that nobody knows are skipped. */
export function parseNode(json: string, damaged: Damaged): Node {
  const raw = parse(json, damaged);
  if (typeof raw['name'] !== 'string') damaged('a node without a name');
  const label = raw['name'] as string;
  const wrong = (key: string): never => damaged(`node "${quote(Buffer.from(label))}" has a wrong ${key}: ${shown(raw[key])}`);

  const name = unquote(label) ?? wrong('name');
  const problem = nameProblem(name);
  if (problem !== undefined) damaged(problem);
  const type = raw['type'] as NodeType;
  if (typeof type !== 'string' || !Object.hasOwn(typeBits, type)) wrong('type');

  const natural = (key: string, most: number): number => {
    const value = raw[key];
    if (value == null) return 0;
    return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most ? value : wrong(key);
  };
  const big = (key: string): bigint => {
    const value = raw[key];
    if (value == null) return 0n;
    if (typeof value === 'bigint') return value < 2n ** 64n ? value : wrong(key);
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : wrong(key);
  };
  const string = (key: string): string => {
    const value = raw[key];
    return value == null ? '' : typeof value === 'string' ? value : wrong(key);
  };
  const time = (key: string): NodeTime => {
    const value = raw[key];
    return value == null ? { seconds: 0, nanos: 0 } : ((typeof value === 'string' ? parseTime(value) : undefined) ?? wrong(key));
  };

  const mtime = time('mtime');
  const { linktarget, linktarget_raw: target, content, subtree, error } = raw;
  if (content !== undefined && content !== null && !(Array.isArray(content) && content.every(isId))) wrong('content');
  if (subtree !== undefined && subtree !== null && !isId(subtree)) wrong('subtree');
  if (type === 'dir' && typeof subtree !== 'string') wrong('subtree');
  if (type === 'file' && !Array.isArray(content)) wrong('content');
  return {
    name,
    type,
    mode: unixMode(natural('mode', 2 ** 32 - 1)),
    mtime,
    atime: raw['atime'] === raw['mtime'] ? mtime : time('atime'),
    ctime: raw['ctime'] === raw['mtime'] ? mtime : time('ctime'),
    uid: natural('uid', 2 ** 32 - 1),
    gid: natural('gid', 2 ** 32 - 1),
    user: string('user'),
    group: string('group'),
    inode: big('inode'),
    deviceId: big('device_id'),
    size: natural('size', Number.MAX_SAFE_INTEGER),
    links: big('links'),
    xattrs: raw['extended_attributes'] === undefined ? none : attributes(raw['extended_attributes'], () => wrong('extended_attributes')),
    ...(type === 'symlink' || linktarget !== undefined
      ? { linkTarget: target === undefined ? Buffer.from(string('linktarget'), 'utf8') : Buffer.from(string('linktarget_raw'), 'base64') }
      : undefined),
    ...(raw['generic_attributes'] === undefined ? undefined : { genericAttributes: memberText(json, 'generic_attributes') }),
    ...(type === 'dev' || type === 'chardev' ? { device: big('device') } : undefined),
    ...(type === 'file' ? { content: content as readonly string[] } : undefined),
    ...(type === 'dir' ? { subtree: subtree as string } : undefined),
    ...(error === undefined ? undefined : { error: string('error') }),
  };
}

const none: readonly ExtendedAttribute[] = [];
const isId = (value: unknown): boolean => typeof value === 'string' && hexId.test(value);
const shown = (value: unknown): string => {
  const whole = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? 'nothing');
  return whole.length > 80 ? `${whole.slice(0, 80)}…` : whole;
};

function attributes(list: unknown, wrong: () => never): readonly ExtendedAttribute[] {
  if (list === null) return none;
  if (!Array.isArray(list)) wrong();
  return (list as { name?: unknown; value?: unknown }[]).map((item) => {
    const name = item?.name;
    const value = item?.value ?? '';
    return typeof name === 'string' && typeof value === 'string' ? { name, value: Buffer.from(value, 'base64') } : wrong();
  });
}

/** A member's value as it stands in the text of an object: restic keeps generic_attributes as raw JSON, so parsing it would lose bytes. */
function memberText(json: string, key: string): string {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;
  let depth = 0;
  let start = -1;
  let last = '';
  for (let match = token.exec(json); match; match = token.exec(json)) {
    const [found] = match;
    if (start >= 0 && depth === 1 && (found === ',' || found === '}')) return json.slice(start, match.index).trim();
    if (found === '{' || found === '[') depth++;
    else if (found === '}' || found === ']') depth--;
    else if (found === ':' && depth === 1 && last === `"${key}"`) start = token.lastIndex;
    last = found;
  }
  return 'null';
}
