// Is everything that a frozen database lives on in this backup? An image of its data without its log is none of a still point.
import type { FactsByName } from '../model/freeze.ts';
import { type DatabasePlace, databaseOfFact } from '../ports/database.ts';

/**
 * Why the image is not all of what was frozen, in an operator's words; undefined: it is. `covered`: whether a directory or a file (absolute,
 * links followed) is in the backup, and on one of the volumes that were imaged.
 */
export function uncovered(facts: FactsByName, covered: (path: string) => boolean): string | undefined {
  const reasons = Object.values(facts).flatMap((own) =>
    Object.entries(own).flatMap(([fact, text]) => {
      const database = databaseOfFact(fact);
      return database === undefined ? [] : reasonsOf(database, JSON.parse(text) as readonly DatabasePlace[], covered);
    }),
  );
  return reasons.length === 0 ? undefined : reasons.join('; ');
}

function reasonsOf(database: string, places: readonly DatabasePlace[], covered: (path: string) => boolean): readonly string[] {
  const outside = places.flatMap((place) => ('path' in place && !covered(place.path) ? [`${place.holds} in ${place.path}`] : []));
  const unseen = places.flatMap((place) =>
    'unseen' in place ? [`cannot see where ${database} keeps ${place.holds}: ${place.unseen}`] : [],
  );
  if (outside.length === 0) return unseen;
  return [`${database} keeps ${listed(outside)}, which ${outside.length === 1 ? 'is' : 'are'} not in this backup`, ...unseen];
}

/** A server may have thousands of tablespaces. */
const most = 3;

function listed(places: readonly string[]): string {
  const more = places.length - most;
  return more > 0 ? `${places.slice(0, most).join(', ')} and ${more} more` : places.join(' and ');
}
