// SQL Server: what its freezes leave behind and what they tell, against recorded statements.
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { mssqlQuiescer } from '../../../src/databases/mssql/quiesce.ts';
import { accessOf } from '../../../src/databases/mssql/settings.ts';
import { metadataFile } from '../../../src/databases/mssql/suspension.ts';
import { type FakeSqlServer, fakeSqlServer } from '../../beds/mssql-fake.ts';
import { limitOf } from '../../contract/quiescer.ts';

let server: FakeSqlServer;

beforeEach(() => {
  server = fakeSqlServer();
});

it('S6 each freeze leaves a record of its own, named by its id: none takes the place of one that a backup needs', async () => {
  const recorded = async (id: string, metadata = '/backup/') => {
    const quiescer = mssqlQuiescer(accessOf({ user: 'backup', metadata }), () => undefined, { connect: server.connect, id });
    await quiescer.freeze(limitOf(60_000));
    return (await quiescer.thaw())['metadata'];
  };
  expect(await recorded('task-1')).toMatch(/^\/backup\/stillpoint-task-1-\d{8}T\d{6}Z\.bkm$/);
  expect(await recorded('../task 2')).toMatch(/^\/backup\/stillpoint-\.\.-task-2-/);
  expect(await recorded('task-3', 'D:\\backup')).toMatch(/^D:\\backup\\stillpoint-task-3-/);
  expect(metadataFile('/b', 'by-hand', new Date(0))).not.toBe(metadataFile('/b', 'by-hand', new Date(1000)));
  expect(server.said.filter((line) => line.includes('BACKUP SERVER'))).toHaveLength(3);
});

it('A1 the files of the databases it suspends are told as the files it keeps', async () => {
  const here = realpathSync(import.meta.dirname);
  server.answer = (statement) =>
    statement === 'databases'
      ? [
          { id: 5, name: 'Shop', path: join(here, 'mssql-facts.test.ts') },
          { id: 7, name: 'It, is', path: '/nowhere/itis.mdf' },
        ]
      : undefined;
  const quiescer = mssqlQuiescer(accessOf({ user: 'backup' }), () => undefined, { connect: server.connect });
  const facts = await quiescer.freeze(limitOf(60_000));
  await quiescer.thaw();
  expect(JSON.parse(facts['files/mssql']!)).toEqual([
    { holds: 'its database Shop', path: join(here, 'mssql-facts.test.ts') },
    { holds: 'its database It, is', unseen: 'there is no /nowhere/itis.mdf on this host' },
  ]);
});
