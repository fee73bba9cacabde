// Where things lie in the tree of a logical backup.

/** The root of everything, and what a restore looks at first. */
export const root = 'mysql';
export const factsFile = 'backup.json';
export const accountsFile = 'users.sql';
export const databasesFolder = 'databases';
export const databaseFile = 'database.sql';

/** Of `factsFile`. */
export interface Facts {
  readonly format: 1;
  readonly method: 'logical';
  readonly server: { readonly kind: 'MariaDB' | 'MySQL'; readonly version: string };
  /** All databases and the accounts. */
  readonly whole: boolean;
  /** What made it one moment. */
  readonly moment: string;
  readonly log?: { readonly place: string; readonly gtid?: string | undefined; readonly server: string };
}
