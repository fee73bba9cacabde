// Whom a freeze counts as the agent's own, told from real processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { ownProcesses } from '../../src/agent/freeze-own.ts';
import { processes } from '../beds/processes.ts';

const started: ChildProcess[] = [];
const orphans: number[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  for (const pid of orphans.splice(0)) process.kill(pid, 'SIGKILL');
});

/** A shell that starts another program, which nobody is the parent of any more once the shell has ended; gives its pid. */
async function orphan(env: Readonly<Record<string, string>>): Promise<number> {
  const shell = spawn('sh', ['-c', 'setsid sleep 1000 > /dev/null & echo $!'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [text] = (await once(shell.stdout, 'data')) as [Buffer];
  const pid = Number(String(text));
  orphans.push(pid);
  await expect.poll(() => processes().find((one) => one.pid === pid)?.parent).not.toBe(shell.pid);
  return pid;
}

it('A3 own are this process, what it started, and what a script of this freeze left behind; nobody else is, not of another freeze either', async () => {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  started.push(child);
  const { isOwn } = ownProcesses('/run/agent/freeze/this');
  const holder = await orphan({ STILLPOINT_FREEZE_FOLDER: '/run/agent/freeze/this' });
  const other = await orphan({ STILLPOINT_FREEZE_FOLDER: '/run/agent/freeze/another' });
  expect([process.pid, child.pid!, holder, other, 1].map(isOwn)).toEqual([true, true, true, false, false]);
});

it('A3 who started the agent is own where it is the agent, and otherwise must not be stopped', () => {
  const { isOwn, whyNot } = ownProcesses('/run/agent/freeze/this');
  const parentOf = (pid: number) => processes().find((one) => one.pid === pid)?.parent ?? 0;
  const ancestors: number[] = [];
  for (let pid = process.ppid; pid > 1; pid = parentOf(pid)) ancestors.push(pid);
  expect(ancestors.length).toBeGreaterThan(0);
  // The runner of these tests runs with the same runtime.
  expect(isOwn(process.ppid)).toBe(true);
  expect(ancestors.map((pid) => whyNot(pid))).toEqual(ancestors.map(() => 'the agent was started by it'));
  expect(whyNot(1)).toBeUndefined();
});
