import { expect, test } from 'vitest';
import type { BackupTags } from '../../../src/model/backup.ts';
import { decodeRecord, encodeRecord, formatMs, type NewRecord, parseTags, recordInfo, tagsOf } from '../../../src/repository/record.ts';

const id = (digit: string): string => digit.repeat(64);

const record: NewRecord = {
  time: '2026-03-01T12:00:00.123456789+01:00',
  parent: id('1'),
  tree: id('2'),
  paths: ['/srv/<a>&b', '/ü'],
  hostname: 'host',
  username: 'root',
  uid: 1000,
  gid: 100,
  excludes: ['*.tmp'],
  tags: ['name=x'],
  original: id('3'),
  programVersion: 'stillpoint 0.1.0',
  summary: {
    backupStart: '2026-03-01T12:00:00Z',
    backupEnd: '2026-03-01T12:00:01.5Z',
    filesNew: 1,
    filesChanged: 2,
    filesUnmodified: 3,
    dirsNew: 4,
    dirsChanged: 5,
    dirsUnmodified: 6,
    dataBlobs: 7,
    treeBlobs: 8,
    dataAdded: 9,
    dataAddedPacked: 10,
    totalFiles: 11,
    totalBytes: 12,
  },
};

const json =
  `{"time":"2026-03-01T12:00:00.123456789+01:00","parent":"${id('1')}","tree":"${id('2')}","paths":["/srv/\\u003ca\\u003e\\u0026b","/ü"],` +
  `"hostname":"host","username":"root","uid":1000,"gid":100,"excludes":["*.tmp"],"tags":["name=x"],"original":"${id('3')}",` +
  '"program_version":"stillpoint 0.1.0","summary":{"backup_start":"2026-03-01T12:00:00Z","backup_end":"2026-03-01T12:00:01.5Z",' +
  '"files_new":1,"files_changed":2,"files_unmodified":3,"dirs_new":4,"dirs_changed":5,"dirs_unmodified":6,"data_blobs":7,"tree_blobs":8,' +
  '"data_added":9,"data_added_packed":10,"total_files_processed":11,"total_bytes_processed":12}}';

test('P7 a record has the keys of restic in their order', () => {
  expect(encodeRecord(record).toString()).toBe(json);
  const read = decodeRecord(Buffer.from(json), id('9'));
  expect(read).toEqual({ ...record, id: id('9'), timeMs: Date.parse('2026-03-01T11:00:00.123Z') });
  expect(encodeRecord(read).toString()).toBe(json);
});

test('P7 a record of an old restic has empty members left out', () => {
  const bare = `{"time":"2019-01-01T00:00:00Z","tree":"${id('2')}","paths":["/a"]}`;
  const read = decodeRecord(Buffer.from(bare), id('9'));
  expect(read).toEqual({
    id: id('9'),
    time: '2019-01-01T00:00:00Z',
    timeMs: 1_546_300_800_000,
    tree: id('2'),
    paths: ['/a'],
    hostname: '',
    username: '',
    uid: 0,
    gid: 0,
    excludes: [],
    tags: [],
  });
  expect(encodeRecord(read).toString()).toBe(bare);
});

test.each([
  ['nonsense', 'no JSON'],
  ['[]', 'no JSON object'],
  [json.replace(`"tree":"${id('2')}"`, '"tree":null'), 'its tree'],
  [json.replace('2026-03-01T12:00:00.1', '2026-02-30T12:00:00.1'), 'its time'],
  [json.replace('["/srv', '[1,"/srv'), 'its paths'],
  [json.replace('"uid":1000', '"uid":-1'), 'its uid'],
  [json.replace(id('1'), '12'), 'its parent'],
  [json.replace('"files_new":1', '"files_new":"1"'), 'its files_new'],
])('P7 a damaged record is refused (%#)', (text, detail) => {
  expect(() => decodeRecord(Buffer.from(text), id('9'))).toThrow(
    expect.objectContaining({ code: 'REPO_DAMAGED', message: expect.stringMatching(`^snapshots ${id('9')} is damaged: .*${detail}`) }),
  );
});

const tags: BackupTags = {
  plan: 'b1c2',
  planName: 'täglich, 50% <alles>',
  name: 'manualbk_1a2b',
  kind: 'manual',
  source: 'files',
  consistency: 'application',
  full: true,
  warnings: 0,
  description: ' zwei\nZeilen,\tein = und 😀 ',
};

test('B4 our metadata survives as tags', () => {
  const raw = tagsOf(tags);
  expect(raw).toContain('plan-name=t%C3%A4glich%2C 50%25 <alles>');
  expect(raw).toContain('description=%20zwei%0AZeilen%2C%09ein = und %F0%9F%98%80%20');
  for (const tag of raw) expect(tag).toMatch(/^[a-z-]+=[\x21-\x2b\x2d-\x7e]([\x20-\x2b\x2d-\x7e]*[\x21-\x2b\x2d-\x7e])?$/);
  expect(parseTags(raw)).toEqual(tags);
  expect(tagsOf({ name: '', full: false })).toEqual([]);
  expect(tagsOf({ name: '\ud800' })).toEqual(['name=%EF%BF%BD']);
});

test('B4 foreign tags do no harm', () => {
  expect(parseTags(['daily', '=x', 'kind=weird', 'consistency=', 'warnings=-1', 'full=no', 'name=50%', 'name=second', 'plan='])).toEqual({
    name: '50%',
  });
});

test('B4 a listing shows what the record says, with our tags read', () => {
  const { backupStart: _start, backupEnd: _end, ...summary } = record.summary!;
  expect(recordInfo(id('9'), { ...record, tags: [...tagsOf(tags), 'daily'] })).toEqual({
    id: id('9'),
    time: Date.parse('2026-03-01T11:00:00.123Z'),
    hostname: 'host',
    username: 'root',
    paths: record.paths,
    tree: id('2'),
    parent: id('1'),
    tags,
    rawTags: [...tagsOf(tags), 'daily'],
    summary,
  });
});

test('P7 times of records are written as Go does', () => {
  expect(formatMs(1_546_300_800_120)).toBe('2019-01-01T00:00:00.12Z');
  expect(formatMs(-1)).toBe('1969-12-31T23:59:59.999Z');
});
