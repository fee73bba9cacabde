import { describe, expect, it } from 'vitest';
import { runProgram, runWithin } from '../../../src/snapshots/run.ts';

describe('programs that make images', () => {
  it('S1 get arguments as they are and nothing of the environment', async () => {
    process.env['SECRET_OF_THE_TEST'] = 'secret';
    expect(await runProgram('printf', ['%s|', 'a b', '$HOME', '`id`', ';true'])).toBe('a b|$HOME|`id`|;true|');
    expect(await runProgram('env', [])).not.toContain('SECRET_OF_THE_TEST');
    delete process.env['SECRET_OF_THE_TEST'];
  });

  it('S1 that hang are given up, whether or not they answer a signal', async () => {
    const begun = performance.now();
    await expect(runWithin(200)('sleep', ['30'])).rejects.toThrow('sleep did not end within 0.2 s');
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('S1 that fail tell what they said, in one line; one that is not there is told, too', async () => {
    await expect(runProgram('ls', ['/absent-1', '/absent-2'])).rejects.toThrow(/^ls: .*absent-1.*; .*absent-2[^\n]*$/);
    await expect(runProgram('false', [])).rejects.toThrow('ended with 1');
    await expect(runProgram('no-such-program', [])).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
