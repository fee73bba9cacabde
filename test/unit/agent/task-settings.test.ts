// A task that agentcli runs itself has the settings of a task that rdagent starts.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runtimeFlags, runtimeVariables } from '../../../src/host/programs.ts';

const script = fileURLToPath(new URL('../../../scripts/agentcli', import.meta.url));
const tell = 'console.error(JSON.stringify({flags:process.execArgv,variables:process.env}));process.exit()';

interface Told {
  readonly flags: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

/** What the script starts node with, told by node itself before it runs anything. */
function startedWith(...words: string[]): Told {
  const home = mkdtempSync(join(tmpdir(), 'task-settings-'));
  const env = { PATH: process.env['PATH'], AGENT_HOME: home, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tell)}` };
  try {
    const told = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', script, ...words], { env, encoding: 'utf8' });
    const { flags, variables } = JSON.parse(told) as Told;
    return { flags, variables: Object.fromEntries(Object.entries(variables).filter(([name]) => name.startsWith('MALLOC_'))) };
  } finally {
    rmSync(home, { recursive: true });
  }
}

it('S10 agentcli recover has the memory settings of a task, other commands have not', () => {
  for (const words of [
    ['recover', 'restore', '/vault', 'latest'],
    ['--json', 'recover'],
  ]) {
    const { flags, variables } = startedWith(...words);
    expect(flags).toEqual(expect.arrayContaining(runtimeFlags));
    expect(variables).toEqual(runtimeVariables);
  }
  const { flags, variables } = startedWith('backup', 'show', 'recover');
  expect(flags.filter((flag) => runtimeFlags.includes(flag))).toEqual([]);
  expect(variables).toEqual({});
});
