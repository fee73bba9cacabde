// Small things that the agent remembers by name: the last time that it knew, whether the audit tracker is on …
import type { Database } from './database.ts';

export interface Facts {
  /** Parsed JSON; undefined if it was never set. */
  get(key: string): unknown;
  set(key: string, value: unknown): void;
}

export function createFacts(database: Database): Facts {
  return {
    get(key) {
      const value = database.get('SELECT value FROM facts WHERE key = :key', { key })?.['value'];
      return value === undefined ? undefined : JSON.parse(value as string);
    },
    set: (key, value) =>
      void database.run('INSERT OR REPLACE INTO facts (key, value) VALUES (:key, :value)', { key, value: JSON.stringify(value) }),
  };
}
