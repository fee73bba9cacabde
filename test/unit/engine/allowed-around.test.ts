// Commands around a load, for which the same is allowed as for the load itself.
import { describe, expect, it } from 'vitest';
import { rightsOf } from '../../../src/agent/rights.ts';
import { allowed } from '../../../src/engine/allowed.ts';
import type { Allowance, Grant } from '../../../src/model/allowance.ts';
import type { TaskSpec } from '../../../src/model/task.ts';

const list: Allowance = {
  restoreRoots: [],
  commands: {
    load: { shell: 'psql app', user: 'postgres' },
    down: { argv: ['/usr/bin/kubectl', 'scale'], user: 'kube' },
    up: { shell: 'kubectl scale', user: 'kube' },
  },
};
const spec = (target: object, dryRun = false) =>
  ({ type: 'restore', vault: {}, record: 'ab'.repeat(32), target: { kind: 'command', ...target }, dryRun }) as unknown as TaskSpec;
const judge = (target: object, dryRun = false): Grant => allowed(spec(target, dryRun), list, { task: 't', take: () => false }, 0);
const notAllowed = expect.objectContaining({ code: 'NOT_ALLOWED' });

describe('commands before and after a load', () => {
  it('S10 that root has named run as the user of each, with the words that root wrote', () => {
    const target = { named: 'load', before: [{ named: 'down', user: 'root' }], after: [{ named: 'up' }] };
    expect(judge(target)).toMatchObject({ rights: 'root', user: 'postgres' });
    expect(judge(target).spec).toEqual(
      spec({
        shell: 'psql app',
        user: 'postgres',
        before: [{ argv: ['/usr/bin/kubectl', 'scale'], user: 'kube' }],
        after: [{ shell: 'kubectl scale', user: 'kube' }],
      }),
    );
    expect(rightsOf(spec(target))).toBe('root');
    expect(rightsOf(spec({ shell: 'x', after: [{ named: 'up' }] }))).toBe('root');
    expect(rightsOf(spec({ shell: 'x', after: [{ shell: 'y' }] }))).toBe('own');
    expect(rightsOf(spec(target, true))).toBe('own');
  });

  it('S10 run with the rights of the agent where all of them are its own', () => {
    const own = { shell: 'psql', rights: 'own', before: [{ argv: ['a'], rights: 'own' }] };
    expect(judge(own)).toEqual({ rights: 'own', spec: spec({ shell: 'psql', before: [{ argv: ['a'] }] }) });
    expect(() => judge({ shell: 'psql', rights: 'own', before: [{ argv: ['a'] }] })).toThrow(notAllowed);
  });

  it.each([
    { named: 'load', before: [{ shell: 'id', rights: 'own' }] },
    { named: 'load', after: [{ argv: ['id'], rights: 'own' }] },
    { shell: 'psql', rights: 'own', before: [{ named: 'down' }] },
    { named: 'load', before: [{ named: 'other' }] },
    { named: 'load', before: [{ named: 'down', shell: 'id' }] },
    { named: 'load', before: [{}] },
    { named: 'load', before: 'down' },
    { named: 'load', after: [null] },
  ])('S10 are refused with rights that nobody gave them: %j', (target) => {
    expect(() => judge(target)).toThrow(notAllowed);
    expect(() => judge(target, true)).toThrow(notAllowed);
  });
});
