// SAP HANA: where its data lie, and a data snapshot that outlives the server, against recorded statements.
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { failure, type StillpointError } from '../../../src/base/errors.ts';
import { hanaQuiescer } from '../../../src/databases/hana/quiesce.ts';
import { accessOf } from '../../../src/databases/hana/settings.ts';
import type { Row } from '../../../src/databases/sessions.ts';
import type { Quiescer } from '../../../src/ports/quiescer.ts';
import { type FakeHana, fakeHana } from '../../beds/hana-fake.ts';
import { limitOf } from '../../contract/quiescer.ts';

let hana: FakeHana;
let lines: string[];

beforeEach(() => {
  hana = fakeHana();
  lines = [];
});

const quiescerOf = (): Quiescer =>
  hanaQuiescer(accessOf({ user: 'BACKUP_USER', password: 'geheim' }), (line) => lines.push(line), { connect: hana.connect });

const refused = () => failure('DATABASE_DOWN', { database: 'SAP HANA', address: 'a', detail: 'connect ECONNREFUSED 127.0.0.1:30013' });

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: StillpointError) => `${error.code} ${error.message}`,
  );

it('A1 the data volumes are told as the files it keeps, the log area is not; what cannot be seen is told as such', async () => {
  const files = async (rows: readonly Row[] | Error) => {
    hana.answer = (statement) => (statement === 'volumes' ? rows : undefined);
    const quiescer = quiescerOf();
    const facts = await quiescer.freeze(limitOf(60_000));
    await quiescer.thaw();
    return JSON.parse(facts['files/hana']!);
  };
  const here = realpathSync(import.meta.dirname);
  const volume = (file: string) => ({ PATH: join(here, file) });
  expect(await files([volume('a.dat'), volume('b.dat')])).toEqual([{ holds: 'its data volumes', path: here }]);
  expect(await files([])).toEqual([{ holds: 'its data volumes', unseen: 'there is no /hana/data/HDB on this host' }]);
  expect(await files(Object.assign(new Error('insufficient privilege'), { code: 258 }))).toEqual([
    { holds: 'its data volumes', unseen: 'insufficient privilege' },
  ]);
});

it('A3 a snapshot outlives a server that is down: until it is up and has closed it, nothing is thawed', async () => {
  const quiescer = quiescerOf();
  await quiescer.freeze(limitOf(60_000));
  for (const connection of [300_001, 300_002]) hana.end(connection, 'Connection closed by server');
  hana.refuse = refused();
  expect(await refusal(quiescer.thaw())).toMatch(/^FREEZE_THAW_FAILED .*ECONNREFUSED/);
  // The same for the process that comes after one that died.
  const rescuer = quiescerOf();
  expect(await refusal(rescuer.thaw())).toMatch(/^FREEZE_THAW_FAILED .*ECONNREFUSED/);
  expect(hana.catalogue.map((entry) => entry.state)).toEqual(['prepared']);
  hana.refuse = undefined;
  expect(await rescuer.thaw()).toEqual({});
  expect(hana.catalogue.map((entry) => entry.state)).toEqual(['failed']);
  expect(await quiescer.thaw()).toEqual({});
  expect(lines.join('\n')).toContain('closed the data snapshot 1700000000000');
});
