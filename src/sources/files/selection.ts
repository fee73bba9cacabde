// Which parts of a backup a restore concerns, and what it may do there.
import { normalizePaths, type RootNode, rootTree } from './roots.ts';

export interface Selection {
  /** Selected itself; else it only leads to what is, and an existing directory keeps its metadata. */
  readonly whole: boolean;
  /**
   * What the backup does not know may be deleted here. Never in a directory that the backup only passed through: /home of a backup of
   * /home/a is not complete in it.
   */
  readonly complete: boolean;
  /** For the child of that name (its bytes as latin1 characters); undefined where nothing of it is selected. */
  child(name: string): Selection | undefined;
}

/** Where a backup keeps what the agent adds to it; restored only when asked for. */
const ownDirectory = '.stillpoint';

/** `all`: everything below is meant. `undefined`: nothing is. */
type Position = RootNode | 'all' | undefined;

/**
 * `include`: paths inside the backup, none for everything. `recorded`: the record's own paths. In place, directories above the recorded
 * paths belong to the system and keep their metadata; below another directory they are ours.
 */
export function selectionOf(include: readonly string[], recorded: readonly string[], inPlace: boolean): Selection {
  const asked = include.length === 0 ? 'all' : position(rootTree(normalizePaths(include)));
  const kept = position(rootTree(normalizePaths(recorded.filter((path) => path.startsWith('/')))));
  return make(asked, kept, inPlace, include.length > 0, true);
}

function make(asked: Position, kept: Position, inPlace: boolean, chosen: boolean, top: boolean): Selection {
  const complete = asked === 'all' && kept === 'all';
  return {
    whole: asked === 'all' && (chosen || !inPlace || typeof kept !== 'object'),
    complete,
    child(name) {
      const below = step(asked, name);
      return below === undefined || (top && asked === 'all' && name === ownDirectory)
        ? undefined
        : make(below, step(kept, name), inPlace, chosen, false);
    },
  };
}

function step(from: Position, name: string): Position {
  return typeof from === 'object' ? position(from.children.get(name)) : from;
}

function position(node: RootNode | undefined): Position {
  return node?.whole ? 'all' : node;
}
