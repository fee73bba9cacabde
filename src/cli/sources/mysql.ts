import { addressTakes, methodFrom, serverFrom, serverText, sqlRows, tableOf } from './database.ts';
import type { SourceKind } from './kind.ts';

const methods = ['logical', 'physical', 'snapshot', 'incremental'] as const;

export const mysql: SourceKind<'mysql'> = {
  takes: [...addressTakes, 'database', 'table', 'base'],
  async from(options, _words, same, asking) {
    const { method, database, table, base } = options;
    return {
      ...same,
      kind: 'mysql',
      ...methodFrom(method, methods, asking.wrong),
      server: await serverFrom(options, same?.server, asking),
      ...(database && { databases: [...database] }),
      ...(table && { tables: table.map((name) => tableOf(name, asking.wrong)) }),
      ...(base !== undefined && { base }),
    };
  },
  text: ({ server, method }) => `MySQL ${serverText(server)}, ${method}`,
  rows: sqlRows,
};
