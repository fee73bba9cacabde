// --before and --after of a restore.
import { describe, expect, it } from 'vitest';
import { completeTarget } from '../../../src/agent/complete-target.ts';
import { fail } from '../../../src/base/errors.ts';
import type { RestoreOptions } from '../../../src/cli/restorable.ts';
import { destroys, targetFrom } from '../../../src/cli/restore-options.ts';
import type { RestoreTargetInput } from '../../../src/rpc/schemas-backups.ts';

const asking = {
  wrong: (detail: string) => fail('USAGE_ARGUMENT', { detail, help: 'help' }),
  password: async () => undefined,
  credentials: async () => ({ accessKey: 'a', secretKey: 's' }),
};
const target = (options: RestoreOptions, words: readonly string[] = []) =>
  targetFrom(options, words, { source: 'command', paths: ['/a.sql'] }, asking);
const backup = { source: 'command', method: 'stream', logs: [] };

describe('commands around a load', () => {
  it('S10 stand in the order in which they were named', async () => {
    expect(await target({ loadShell: 'psql', before: ['a', 'b'], after: ['c'] })).toEqual({
      kind: 'command',
      shell: 'psql',
      before: [{ shell: 'a' }, { shell: 'b' }],
      after: [{ shell: 'c' }],
    });
    expect(await target({ loadNamed: 'load', beforeNamed: ['down'], afterNamed: ['up'] })).toEqual({
      kind: 'command',
      named: 'load',
      before: [{ named: 'down' }],
      after: [{ named: 'up' }],
    });
    expect(await target({ loadArgv: true, after: ['c'] }, ['psql', 'app'])).toEqual({
      kind: 'command',
      argv: ['psql', 'app'],
      after: [{ shell: 'c' }],
    });
  });

  it('S10 need a load', async () => {
    for (const options of [{ before: ['a'] }, { target: '/srv', after: ['a'] }, { target: '/srv', beforeNamed: ['a'] }])
      await expect(target(options)).rejects.toMatchObject({
        code: 'USAGE_ARGUMENT',
        message: expect.stringMatching(/^--(before|after|before-named) goes with --load-argv/),
      });
  });

  it('S10 are shown before they are confirmed', () => {
    const text = destroys({ kind: 'command', shell: 'psql app', before: [{ shell: 'scale 0' }], after: [{ argv: ['scale', '3'] }] });
    expect(text).toMatch(/^scale 0 runs first; psql app gets the backup as its input.*; scale 3 runs after it$/);
  });

  it('S10 are one of three each for the agent, too', () => {
    const input = { kind: 'command', shell: 'psql', before: [{ shell: 'a' }], after: [] } as RestoreTargetInput;
    expect(completeTarget(input, backup)).toEqual({ kind: 'command', shell: 'psql', before: [{ shell: 'a' }] });
    const both = { kind: 'command', shell: 'psql', after: [{ shell: 'a', named: 'b' }] } as RestoreTargetInput;
    expect(() => completeTarget(both, backup)).toThrow('a command after the load takes one of argv, shell and named');
  });
});
