// /etc/stillpoint/allow.yaml: what root allows to be done with more rights than the agent's own. Believed only if nobody else can have
// written it. It is short and read anew whenever it is needed; a fault anywhere in it allows nothing.
import { closeSync, lstatSync, readFileSync } from 'node:fs';
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { fail } from '../base/errors.ts';
import { openSafeFile } from '../base/safe-file.ts';
import { type FindUser, findUser } from '../base/users.ts';
import { type Allowance, type AllowedCommand, nothingAllowed, type RestoreRoot } from '../model/allowance.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** AGENT_ALLOW names another file for tests; it has to be just as safe. */
export function allowFileOf(environment: Environment = process.env): string {
  return environment['AGENT_ALLOW'] || '/etc/stillpoint/allow.yaml';
}

/** `owner` is root's uid. Without the file nothing is allowed. Throws CONFIG_INVALID with the line of the fault. */
export function readAllowList(file: string, owner: number, find: FindUser = (name) => findUser(name)): Allowance {
  if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return nothingAllowed;
  const fd = openSafeFile(file, owner, (detail, cause) => fail('CONFIG_INVALID', { file, detail }, { cause }));
  try {
    return parseAllowList(readFileSync(fd, 'utf8'), file, find);
  } finally {
    closeSync(fd);
  }
}

/** The same of a text. Throws CONFIG_INVALID. */
export function parseAllowList(text: string, file: string, find: FindUser): Allowance {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, strict: true });
  const faultAt = (offset: number, detail: string): never =>
    fail('CONFIG_INVALID', { file, detail: `line ${lines.linePos(offset).line}: ${detail}` });
  const broken = document.errors[0] ?? document.warnings[0];
  if (broken) faultAt(broken.pos[0], broken.message);
  return allowanceFrom(document.contents, (node, detail) => faultAt(node?.range?.[0] ?? 0, detail), find);
}

/** A node of the file; null where a value was left out. */
type Value = Node | null;
type Fault = (at: Value, detail: string) => never;
type Fields = ReadonlyMap<string, { readonly key: Node; readonly value: Value }>;

const commandName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const unprintable = /\p{Cc}/u;

function allowanceFrom(top: Value, fault: Fault, find: FindUser): Allowance {
  if (top === null) return nothingAllowed;
  const fields = fieldsOf(top, 'the file', fault, ['restoreRoots', 'commands']);
  return {
    restoreRoots: restoreRootsFrom(fields.get('restoreRoots')?.value ?? null, fault, find),
    commands: commandsFrom(fields.get('commands')?.value ?? null, fault, find),
  };
}

function restoreRootsFrom(list: Value, fault: Fault, find: FindUser): readonly RestoreRoot[] {
  const seen = new Set<string>();
  return itemsOf(list, 'restoreRoots', fault).map((item) => {
    const fields = fieldsOf(item, 'a restore root', fault, ['path', 'user']);
    const path = needed(fields, 'path', item, fault);
    const text = pathFrom(path, fault);
    if (text === '/') fault(path, 'path / would allow to overwrite everything; a restore in place is approved one by one');
    if (seen.has(text)) fault(path, `the restore root ${text} is there twice`);
    seen.add(text);
    if (!fields.has('user')) return { path: text };
    const { name, uid } = userFrom(needed(fields, 'user', item, fault), fault, find);
    return uid === 0 ? { path: text } : { path: text, user: name };
  });
}

function commandsFrom(map: Value, fault: Fault, find: FindUser): Readonly<Record<string, AllowedCommand>> {
  if (isNothing(map)) return {};
  const commands = [...fieldsOf(map, 'commands', fault)].map(([name, { key, value }]) => {
    if (!commandName.test(name)) fault(key, `${JSON.stringify(name)} is no name: letters, digits, dot, dash and underscore, 64 at most`);
    return [name, commandFrom(name, value ?? key, fault, find)] as const;
  });
  return Object.fromEntries(commands);
}

function commandFrom(name: string, value: Node, fault: Fault, find: FindUser): AllowedCommand {
  const fields = fieldsOf(value, `the command ${name}`, fault, ['argv', 'shell', 'user']);
  if (fields.has('argv') === fields.has('shell')) fault(value, `the command ${name} takes either argv or shell`);
  const user = userFrom(needed(fields, 'user', value, fault), fault, find).name;
  if (fields.has('argv')) return { argv: argvFrom(needed(fields, 'argv', value, fault), fault), user };
  return { shell: textFrom(needed(fields, 'shell', value, fault), 'shell', fault), user };
}

function argvFrom(list: Node, fault: Fault): readonly string[] {
  const [program, ...rest] = itemsOf(list, 'argv', fault);
  if (program === undefined) return fault(list, 'argv is empty');
  return [pathFrom(program, fault), ...rest.map((item) => textFrom(item, 'an argument', fault, true))];
}

function userFrom(node: Node, fault: Fault, find: FindUser) {
  const name = textFrom(node, 'user', fault);
  return find(name) ?? fault(node, `there is no user ${JSON.stringify(name)} on this host`);
}

/** Written as the kernel would say it: who reads the file sees what it means. */
function pathFrom(node: Node, fault: Fault): string {
  const path = textFrom(node, 'path', fault);
  if (!path.startsWith('/')) fault(node, `${path} is no absolute path`);
  const plain = path === '/' || path.split('/').every((step, i) => (i === 0 ? step === '' : !['', '.', '..'].includes(step)));
  if (!plain) fault(node, `${path} is no plain path: it must be without .., . and double or last slashes`);
  if (unprintable.test(path)) fault(node, 'a path must not hold control characters');
  return path;
}

function textFrom(node: Node, what: string, fault: Fault, empty = false): string {
  if (!isScalar(node) || typeof node.value !== 'string') return fault(node, `${what} must be text; put it into quotes`);
  if (node.value === '' && !empty) fault(node, `${what} is empty`);
  return node.value.includes('\0') ? fault(node, `${what} holds a NUL`) : node.value;
}

function itemsOf(list: Value, what: string, fault: Fault): readonly Node[] {
  if (isNothing(list)) return [];
  if (!isSeq<Node>(list)) return fault(list, `${what} must be a list`);
  return list.items;
}

function fieldsOf(node: Value, what: string, fault: Fault, known?: readonly string[]): Fields {
  if (isAlias(node)) return fault(node, 'aliases are not taken; write it out');
  if (!isMap<Node, Value>(node)) return fault(node, `${what} must be a list of keys with their values`);
  return new Map(
    node.items.map(({ key, value }) => {
      const name = textFrom(key, 'a key', fault);
      if (known && !known.includes(name)) fault(key, `${what} has an unknown key ${JSON.stringify(name)}`);
      return [name, { key, value }] as const;
    }),
  );
}

function needed(fields: Fields, name: string, above: Node, fault: Fault): Node {
  const field = fields.get(name);
  if (field === undefined) return fault(above, `${name} is missing`);
  return isNothing(field.value) ? fault(field.key, `${name} is empty`) : field.value;
}

/** `restoreRoots:` with nothing behind it. */
function isNothing(value: Value): value is null {
  return value === null || (isScalar(value) && value.value === null);
}
