// Looking inside backups. Answers go out line by line as JSON (ls, find, diff) or as bytes (cat), whatever their size.
import { once } from 'node:events';
import { matchesGlob } from 'node:path';
import { fail } from '../base/errors.ts';
import type { Node } from '../model/node.ts';
import type { TaskResult, TaskSpec, VaultAccess } from '../model/task.ts';
import { formatTime, type RecordFile, type Repository } from '../repository/repository.ts';
import type { EngineDeps } from './deps.ts';

type Spec<T extends TaskSpec['type']> = Extract<TaskSpec, { type: T }>;

const printable = (name: Buffer): string => name.toString('utf8');
const none: TaskResult = { warnings: 0 };

async function withVault(access: VaultAccess, deps: EngineDeps, look: (vault: Repository) => Promise<void>): Promise<TaskResult> {
  const vault = await deps.openVault(access);
  const lock = await vault.lockToRead(deps.warn);
  try {
    await vault.loadIndex();
    await lock.settled; // a prune that began at the same moment would take away what is looked at
    await look(vault);
    return none;
  } finally {
    await lock.release();
    await vault.close();
  }
}

async function write(deps: EngineDeps, piece: string | Buffer): Promise<void> {
  deps.signal.throwIfAborted();
  if (!deps.out.write(piece)) await once(deps.out, 'drain', { signal: deps.signal });
}

const line = (deps: EngineDeps, value: unknown) => write(deps, `${JSON.stringify(value)}\n`);

function describe(path: string, node: Node) {
  return {
    path,
    type: node.type,
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    user: node.user,
    group: node.group,
    size: node.size,
    mtime: formatTime(node.mtime),
    ...(node.linkTarget ? { linkTarget: printable(node.linkTarget) } : {}),
  };
}

async function* walk(vault: Repository, tree: string, path: string): AsyncGenerator<{ readonly path: string; readonly node: Node }> {
  for await (const node of vault.tree(tree)) {
    const below = `${path}/${printable(node.name)}`;
    yield { path: below, node };
    if (node.type === 'dir') yield* walk(vault, node.subtree!, below);
  }
}

/** The node at a path, undefined for the root. Throws NOT_FOUND. */
async function nodeAt(vault: Repository, record: RecordFile, path: string): Promise<Node | undefined> {
  let tree = record.tree;
  let found: Node | undefined;
  for (const part of path.split('/').filter(Boolean)) {
    const wanted = Buffer.from(part);
    let next: Node | undefined;
    if (!found || found.type === 'dir') for await (const node of vault.tree(tree)) if (node.name.equals(wanted)) next = node;
    if (!next) return fail('NOT_IN_BACKUP', { what: 'path', id: path });
    found = next;
    if (next.subtree) tree = next.subtree;
  }
  return found;
}

export function ls(spec: Spec<'ls'>, deps: EngineDeps): Promise<TaskResult> {
  return withVault(spec.vault, deps, async (vault) => {
    const record = await vault.records.load(spec.record);
    const node = await nodeAt(vault, record, spec.path);
    const path = `/${spec.path.split('/').filter(Boolean).join('/')}`.replace(/\/$/, '');
    if (node && node.type !== 'dir') return line(deps, describe(path, node));
    const tree = node?.subtree ?? record.tree;
    if (spec.recursive) for await (const entry of walk(vault, tree, path)) await line(deps, describe(entry.path, entry.node));
    else for await (const child of vault.tree(tree)) await line(deps, describe(`${path}/${printable(child.name)}`, child));
  });
}

export function find(spec: Spec<'find'>, deps: EngineDeps): Promise<TaskResult> {
  return withVault(spec.vault, deps, async (vault) => {
    // A pattern with a slash means the whole path, any other the name alone.
    const hit = (path: string, node: Node) =>
      spec.patterns.some((pattern) => (pattern.includes('/') ? matchesGlob(path, pattern) : matchesGlob(printable(node.name), pattern)));
    for (const id of spec.records) {
      const record = await vault.records.load(id);
      for await (const { path, node } of walk(vault, record.tree, ''))
        if (hit(path, node)) await line(deps, { backup: id, path, type: node.type, size: node.size, mtime: formatTime(node.mtime) });
    }
  });
}

export function cat(spec: Spec<'cat'>, deps: EngineDeps): Promise<TaskResult> {
  return withVault(spec.vault, deps, async (vault) => {
    const node = await nodeAt(vault, await vault.records.load(spec.record), spec.path);
    if (node?.type !== 'file') return fail('NOT_IN_BACKUP', { what: 'file', id: spec.path });
    const reader = vault.reader(deps.signal);
    try {
      for await (const piece of reader.stream(node.content!)) await write(deps, piece);
    } finally {
      await reader.close();
    }
  });
}

interface DiffTotals {
  added: number;
  removed: number;
  changed: number;
  bytesAdded: number;
  bytesRemoved: number;
}

export function diff(spec: Spec<'diff'>, deps: EngineDeps): Promise<TaskResult> {
  return withVault(spec.vault, deps, async (vault) => {
    const [from, to] = [await vault.records.load(spec.from), await vault.records.load(spec.to)];
    const totals: DiffTotals = { added: 0, removed: 0, changed: 0, bytesAdded: 0, bytesRemoved: 0 };
    await diffTrees(vault, deps, from.tree, to.tree, '', totals);
    await line(deps, { summary: totals });
  });
}

/** Both trees are sorted by name; equal subtrees have equal ids and are not looked into. */
async function diffTrees(
  vault: Repository,
  deps: EngineDeps,
  a: string | undefined,
  b: string | undefined,
  path: string,
  totals: DiffTotals,
): Promise<void> {
  if (a === b) return;
  const before = a === undefined ? undefined : vault.tree(a);
  const after = b === undefined ? undefined : vault.tree(b);
  const next = async (nodes: AsyncGenerator<Node> | undefined): Promise<Node | undefined> => (await nodes?.next())?.value ?? undefined;
  let old = await next(before);
  let now = await next(after);
  while (old || now) {
    const order = !old ? 1 : !now ? -1 : old.name.compare(now.name);
    const was = order <= 0 ? old : undefined;
    const is = order >= 0 ? now : undefined;
    await diffNodes(vault, deps, was, is, path, totals);
    if (was) old = await next(before);
    if (is) now = await next(after);
  }
}

async function diffNodes(
  vault: Repository,
  deps: EngineDeps,
  was: Node | undefined,
  is: Node | undefined,
  path: string,
  totals: DiffTotals,
): Promise<void> {
  const below = `${path}/${printable((is ?? was)!.name)}`;
  const change = changeOf(was, is);
  const content = !was || !is || was.content?.join() !== is.content?.join();
  if (change === '+' || change === 'T') totals.added++;
  if (change === '-' || change === 'T') totals.removed++;
  if (change === 'M' || change === 'U') totals.changed++;
  if (content) totals.bytesAdded += is?.size ?? 0;
  if (content) totals.bytesRemoved += was?.size ?? 0;
  if (change) await line(deps, { path: below, change, ...(was ? { sizeBefore: was.size } : {}), ...(is ? { sizeAfter: is.size } : {}) });
  await diffTrees(vault, deps, was?.subtree, is?.subtree, below, totals);
}

/** `+` new, `-` gone, `T` another type, `M` other content, `U` other metadata; undefined for no difference. */
function changeOf(was: Node | undefined, is: Node | undefined): '+' | '-' | 'T' | 'M' | 'U' | undefined {
  if (!was) return '+';
  if (!is) return '-';
  if (was.type !== is.type) return 'T';
  if (was.content?.join() !== is.content?.join() || (was.linkTarget && !was.linkTarget.equals(is.linkTarget!))) return 'M';
  return metadata(was) === metadata(is) ? undefined : 'U';
}

function metadata(node: Node): string {
  const { mode, uid, gid, user, group, mtime, device } = node;
  const attributes = node.xattrs.map(({ name, value }) => [name, value.toString('base64')]);
  return JSON.stringify([mode, uid, gid, user, group, mtime, device?.toString(), attributes]);
}
