// What tasks of one vault may run beside one another.
import type { TaskType } from '../model/task.ts';

/**
 * none: touches nothing that others mind. read: beside other readers and a writer. write: one at a time.
 * exclusive: alone; removing what others may be reading.
 */
export type Access = 'none' | 'read' | 'write' | 'exclusive';

/** Light tasks are questions that a person waits for; they do not wait for long ones. */
export type Weight = 'light' | 'heavy';

const rules: Readonly<Record<TaskType, readonly [Access, Weight]>> = {
  probe: ['none', 'light'],
  'instance-end': ['none', 'light'],
  keys: ['read', 'light'],
  ls: ['read', 'light'],
  find: ['read', 'light'],
  diff: ['read', 'light'],
  cat: ['read', 'light'],
  'vault-create': ['write', 'light'],
  'vault-attach': ['write', 'light'],
  'vault-unlock': ['write', 'light'],
  'vault-scan': ['read', 'light'],
  backup: ['write', 'heavy'],
  restore: ['read', 'heavy'],
  check: ['read', 'heavy'],
  prune: ['exclusive', 'heavy'],
  forget: ['exclusive', 'heavy'],
  'vault-delete': ['exclusive', 'heavy'],
  'vault-recover': ['exclusive', 'heavy'],
};

export const accessOf = (type: TaskType): Access => rules[type][0];
export const weightOf = (type: TaskType): Weight => rules[type][1];

export function mayRunBeside(a: Access, b: Access): boolean {
  if (a === 'none' || b === 'none') return true;
  if (a === 'exclusive' || b === 'exclusive') return false;
  return a === 'read' || b === 'read';
}
