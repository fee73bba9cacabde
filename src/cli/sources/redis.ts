import { addressTakes, methodFrom, serverFrom, serverText } from './database.ts';
import type { SourceKind } from './kind.ts';

export const redis: SourceKind<'redis'> = {
  takes: addressTakes,
  from: async (options, _words, same, asking) => ({
    kind: 'redis',
    ...methodFrom(options.method, ['logical'], asking.wrong),
    server: await serverFrom(options, same?.server, asking),
  }),
  text: ({ server }) => `Redis ${serverText(server)}`,
  rows: ({ server }) => [['Server', serverText(server)]],
};
