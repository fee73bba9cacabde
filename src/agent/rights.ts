// What a task may do on the host: no more than it must.
import type { CommandWords } from '../model/plan.ts';
import type { Rights } from '../model/provider.ts';
import type { TaskSpec } from '../model/task.ts';

export function rightsOf(spec: TaskSpec): Rights {
  if (spec.type === 'backup') return spec.source.kind === 'command' ? rightsFor(spec.source) : 'read';
  if (spec.type !== 'restore') return 'own';
  if (spec.target.kind === 'command') return spec.dryRun ? 'own' : rightsFor(spec.target);
  return spec.dryRun ? 'read' : 'root';
}

/** One that root has named runs as the user that root wrote beside it. */
const rightsFor = ({ named }: CommandWords): Rights => (named === undefined ? 'own' : 'root');
