// May this task be done with more rights than the agent's own? Asked by a process that has them, of a task that came from one that has not:
// nothing in it is believed. What root has named in the allow-list is done; a restore beyond it needs root's approval; the rest is refused.
import { fail } from '../base/errors.ts';
import { digestOf } from '../config/approvals.ts';
import type { Allowance, CommandChoice, Grant } from '../model/allowance.ts';
import { allRights, type Rights } from '../model/provider.ts';
import type { CommandTarget, TaskSpec } from '../model/task.ts';
import { restoreRootOf } from './restore-roots.ts';
import { rightsToRead, throughTheDoor } from './source-rights.ts';
import { type PlacedTarget, placesOf, settleTarget } from './target-place.ts';

export interface Approval {
  /** The id of the task that asks; the hint names it. */
  readonly task: string;
  /** Takes away what root approved under this digest; false if that is nothing. */
  readonly take: (digest: string) => boolean;
}

type BackupSpec = Extract<TaskSpec, { type: 'backup' }>;
type RestoreSpec = Extract<TaskSpec, { type: 'restore' }>;

/**
 * What the task may have and what exactly is to be run. `owner` is root's uid. Throws NOT_ALLOWED, APPROVAL_NEEDED, and TARGET_FAILED for a
 * target that is no path or leads nowhere.
 */
export function allowed(spec: TaskSpec, list: Allowance, approval: Approval, owner: number): Grant {
  switch (spec.type) {
    case 'backup':
      return backupGrant(spec, list);
    case 'restore':
      return restoreGrant(spec, list, approval, owner);
    case 'probe':
    case 'instance-end':
    case 'vault-create':
    case 'vault-attach':
    case 'vault-scan':
    case 'vault-unlock':
    case 'vault-delete':
    case 'vault-recover':
    case 'keys':
    case 'check':
    case 'prune':
    case 'forget':
    case 'ls':
    case 'find':
    case 'diff':
    case 'cat':
      return { rights: 'own', spec };
    default:
      return refuse('the task', `${JSON.stringify((spec satisfies never as { type: unknown }).type)} is no type of task`);
  }
}

/** Throws NOT_ALLOWED if the process that is to run it holds more rights than the task may have. */
export function assertNoMore(held: Rights, { rights, spec }: Grant): void {
  if (allRights.indexOf(held) <= allRights.indexOf(rights)) return;
  refuse(`a ${spec.type} task with the rights "${held}"`, `it may have the rights "${rights}"`);
}

function backupGrant(spec: BackupSpec, list: Allowance): Grant {
  const { source } = spec;
  if (source.kind !== 'command') {
    const rights = rightsToRead(source);
    return rights ? { rights, spec } : refuse('the backup', 'nobody knows such a source');
  }
  const { line, ...rights } = commandGrant(source, list);
  const { kind, fileName, minBytes, expectTail } = source;
  return { ...rights, spec: { ...spec, source: { kind, ...line, fileName, minBytes, ...(expectTail !== undefined && { expectTail }) } } };
}

function restoreGrant(spec: RestoreSpec, list: Allowance, approval: Approval, owner: number): Grant {
  const { target } = spec;
  // Whatever else it may be that a process would take for true.
  const dryRun = spec.dryRun === true;
  if (target.kind === 'command') return loadGrant({ ...spec, dryRun }, target, list);
  if (throughTheDoor(target)) return { rights: 'own', spec };
  if (target.kind !== 'files' && target.kind !== 'disk') return refuse('the restore', 'nobody knows such a target');
  const settled = { ...spec, dryRun, target: settleTarget(target) };
  // What lies there may be moved away and a link put in its place before it is opened.
  const plain = { ...settled, target: { ...settled.target, plain: true } };
  if (dryRun) return { rights: 'read', spec: plain };
  const root = restoreRootOf(settled.target, list.restoreRoots, owner);
  if (typeof root !== 'string') return { rights: 'root', ...(root.user !== undefined && { user: root.user }), spec: plain };
  if (!approval.take(digestOf(settled))) fail('APPROVAL_NEEDED', { place: placeText(settled.target), reason: root, task: approval.task });
  return { rights: 'root', spec: plain };
}

/** Root names all of what a restore runs, or nothing of it: what it did not name would run with the rights of what it did. */
function loadGrant(spec: RestoreSpec, { before, after, ...load }: CommandTarget, list: Allowance): Grant {
  const [first, last] = [choicesFrom(before), choicesFrom(after)];
  const named = [...first, load, ...last].map((choice) => choice.named !== undefined);
  if (new Set(named).size > 1) refuse('the restore', 'root has named some of its commands and not the others; name all of them or none');
  // A rehearsal runs nothing.
  const { dryRun } = spec;
  const grant = (choice: CommandChoice) => commandGrant(dryRun ? { rights: 'own', ...choice } : choice, list);
  const { line, ...rights } = grant(load);
  const lines = (choices: readonly CommandChoice[]) => choices.map((choice) => grant(choice).line);
  const target: CommandTarget = {
    kind: 'command',
    ...line,
    ...(first.length > 0 && { before: lines(first) }),
    ...(last.length > 0 && { after: lines(last) }),
  };
  return { ...(dryRun ? { rights: 'own' } : rights), spec: { ...spec, target } };
}

/** Nothing that came is believed, its shape neither. */
function choicesFrom(given: unknown): readonly CommandChoice[] {
  if (given === undefined) return [];
  const fit = Array.isArray(given) && given.every((one) => typeof one === 'object' && one !== null);
  return fit ? (given as readonly CommandChoice[]) : refuse('the restore', 'its commands before and after are no lists of commands');
}

/** A named command runs as the user that root wrote beside it; one that came with the task never with more than the agent has anyway. */
function commandGrant({ named, argv, shell, rights }: CommandChoice, list: Allowance) {
  const line = { ...(argv !== undefined && { argv }), ...(shell !== undefined && { shell }) };
  if (named === undefined) {
    if (rights === 'own') return { rights, line } as const;
    return refuse('a command that root has not named', 'the task does not say that it runs with the rights of the agent');
  }
  const what = `the command ${JSON.stringify(named)}`;
  if (Object.keys(line).length > 0) refuse(what, 'the task brings a command line of its own');
  const entry = typeof named === 'string' && Object.hasOwn(list.commands, named) ? list.commands[named] : undefined;
  if (entry === undefined) return refuse(what, 'root has named no such command');
  const { user, ...words } = entry;
  return { rights: 'root', user, line: { ...words, user } } as const;
}

function placeText(target: PlacedTarget): string {
  return target.kind === 'files' && target.path === '/' ? 'where it came from' : `to ${placesOf(target).join(', ')}`;
}

const refuse = (what: string, reason: string): never => fail('NOT_ALLOWED', { what, reason });
