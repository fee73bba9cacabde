import { describe, expect, it } from 'vitest';
import { newRecoveryKey } from '../../../src/agent/access.ts';
import { completeSource } from '../../../src/agent/complete-source.ts';
import { completeTarget } from '../../../src/agent/complete-target.ts';
import { locationOf, parseLocation } from '../../../src/agent/locations.ts';
import { checkDescription, checkName, freeName, madeUpName } from '../../../src/agent/names.ts';
import { momentOf } from '../../../src/agent/queries.ts';

const noPlan = () => expect.fail('no plan is asked for');
const files = { source: 'files', method: null, logs: [] };

describe('names', () => {
  it('B4 holds names and descriptions to the rules', () => {
    expect(checkName('a_B-9')).toBe('a_B-9');
    for (const bad of ['', 'a b', 'ä', 'x'.repeat(65), 'a/b', 'a\n']) expect(() => checkName(bad)).toThrow('invalid name');
    expect(checkDescription('😀'.repeat(255))).toHaveLength(510);
    expect(() => checkDescription('x'.repeat(256))).toThrow('256 characters');
    expect(madeUpName('manualbk')).toMatch(/^manualbk_[a-z0-9]{4}$/);
  });

  it('B4 numbers a name that is taken', () => {
    const taken = new Set(['nightly', 'nightly-0001', 'x'.repeat(64)]);
    expect(freeName('other', (name) => taken.has(name))).toBe('other');
    expect(freeName('nightly', (name) => taken.has(name))).toBe('nightly-0002');
    expect(freeName('x'.repeat(64), (name) => taken.has(name))).toBe(`${'x'.repeat(59)}-0001`);
  });

  it('P6 makes recovery keys that people can write down', () => {
    expect(newRecoveryKey()).toMatch(/^([A-Z2-7]{4}-){7}[A-Z2-7]{4}$/);
    expect(newRecoveryKey()).not.toBe(newRecoveryKey());
  });
});

describe('locations', () => {
  it('P7 go back and forth between restic’s words and ours', () => {
    for (const text of ['/srv/pool/v1/abc', 's3:https://h:9000/dbs/pre/fix/v1/abc', 's3:http://h/b/v1/abc']) {
      const { place, path } = parseLocation(text);
      expect(path).toBe('v1/abc');
      expect(locationOf(place, path)).toBe(text);
    }
    expect(parseLocation('/pool/repo')).toEqual({ place: { type: 'local', path: '/pool' }, path: 'repo' });
    expect(parseLocation('s3:host.example/bucket').place).toMatchObject({ endpoint: 'https://host.example', bucket: 'bucket', prefix: '' });
    for (const bad of ['relative/path', '/', 's3:https://host', 's3:']) expect(() => parseLocation(bad)).toThrow();
  });
});

describe('plans and targets', () => {
  it('B1 completes sources and refuses what cannot be meant', () => {
    expect(completeSource({ kind: 'files', paths: ['/a/../b/'] }, 'p', noPlan)).toMatchObject({
      paths: ['/b'],
      excludes: [],
      oneFileSystem: false,
    });
    expect(completeSource({ kind: 'command', shell: 'x' }, 'p', noPlan)).toEqual({
      kind: 'command',
      fileName: 'p',
      minBytes: 0,
      shell: 'x',
    });
    const refuse = (input: Parameters<typeof completeSource>[0]) => expect(() => completeSource(input, 'p', noPlan));
    refuse({ kind: 'disk', paths: ['dev/sda'] }).toThrow('not absolute');
    refuse({ kind: 'command' }).toThrow('one of argv, shell and named');
    refuse({ kind: 'command', argv: ['a'], shell: 'b' }).toThrow('one of argv, shell and named');
    refuse({ kind: 'command', shell: 'b', expectTail: '(' }).toThrow('no regular expression');
    refuse({ kind: 'command', shell: 'b', fileName: 'a/b' }).toThrow('no file name');
  });

  it('B1 completes restore targets', () => {
    expect(completeTarget({ kind: 'files', path: '/t' }, files)).toMatchObject({
      include: [],
      overwrite: 'always',
      delete: false,
      verify: false,
    });
    expect(() => completeTarget({ kind: 'files', path: 't' }, files)).toThrow('not an absolute path');
    expect(() => completeTarget({ kind: 'disk', map: {} }, files)).toThrow('names no disk');
    expect(() => completeTarget({ kind: 'command' }, files)).toThrow('one of argv, shell and named');
  });

  it('M8 reads dates as people write them', () => {
    expect(momentOf('2026-01-31T12:00:00Z', 'start')).toBe(Date.UTC(2026, 0, 31, 12));
    expect(momentOf('2026-01-31', 'end') - momentOf('2026-01-31', 'start')).toBe(24 * 3600 * 1000 - 1);
    expect(momentOf('1770000000000', 'end')).toBe(1770000000000);
    expect(() => momentOf('yesterday', 'start')).toThrow('is no date');
  });
});
