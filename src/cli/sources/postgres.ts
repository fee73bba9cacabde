import { addressTakes, methodFrom, serverFrom, serverText, sqlRows } from './database.ts';
import type { SourceKind } from './kind.ts';

const methods = ['logical', 'physical', 'incremental'] as const;

export const postgres: SourceKind<'postgres'> = {
  takes: [...addressTakes, 'database', 'base'],
  async from(options, _words, same, asking) {
    const { method, database, base } = options;
    return {
      ...same,
      kind: 'postgres',
      ...methodFrom(method, methods, asking.wrong),
      server: await serverFrom(options, same?.server, asking),
      ...(database && { databases: [...database] }),
      ...(base !== undefined && { base }),
    };
  },
  text: ({ server, method }) => `PostgreSQL ${serverText(server)}, ${method}`,
  rows: sqlRows,
};
