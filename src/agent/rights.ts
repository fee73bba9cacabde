// What a task may do on the host: no more than it must.
import { rightsToRead, throughTheDoor } from '../engine/source-rights.ts';
import type { CommandWords } from '../model/plan.ts';
import type { Rights } from '../model/provider.ts';
import { commandsOf, type TaskSpec } from '../model/task.ts';

export function rightsOf(spec: TaskSpec): Rights {
  if (spec.type === 'backup')
    return spec.source.kind === 'command' ? (isOwn(spec.source) ? 'own' : 'root') : (rightsToRead(spec.source) ?? 'own');
  if (spec.type !== 'restore') return 'own';
  if (throughTheDoor(spec.target)) return 'own';
  if (spec.target.kind === 'command') return spec.dryRun || commandsOf(spec.target).every(isOwn) ? 'own' : 'root';
  return spec.dryRun ? 'read' : 'root';
}

/** One that root has named runs as the user that root wrote beside it. */
const isOwn = ({ named }: CommandWords): boolean => named === undefined;
